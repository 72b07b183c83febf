import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.model.text_clip import (
    CLIP_MEAN,
    CLIP_STD,
    PAPER_CLIP,
    ClipEncoder,
    load_clip,
    output_token_mask,
)
from tiny_clip import CROP_SIZE, MAX_TOKENS, PATCH_SIZE, TEXT_DIM, save_tiny_clip

EVERYTHING = torch.ones(3, CROP_SIZE, CROP_SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("clip")
    save_tiny_clip(path)
    return path


@pytest.fixture(scope="module")
def clip(folder: Path) -> CLIPModel:
    return CLIPModel.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def encoder(folder: Path) -> ClipEncoder:
    return load_clip(folder)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 3, CROP_SIZE, CROP_SIZE)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _pixel_values(images: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor(CLIP_MEAN).reshape(3, 1, 1)
    return (images.float() - mean) / torch.tensor(CLIP_STD).reshape(3, 1, 1)


def test_statistics_are_those_of_clips_own_preprocessing() -> None:
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    assert pytest.approx(OPENAI_CLIP_MEAN, abs=1e-7) == np.array(CLIP_MEAN) / 255
    assert pytest.approx(OPENAI_CLIP_STD, abs=1e-7) == np.array(CLIP_STD) / 255


def test_mask_over_everything_gives_clips_own_image_embedding(encoder, clip, images) -> None:
    with torch.no_grad():
        whole = clip.get_image_features(_pixel_values(images)).pooler_output
    expected = torch.nn.functional.normalize(whole, dim=-1)
    embeddings = encoder.crop_embeddings(images, EVERYTHING)
    assert embeddings.shape == (3, TEXT_DIM)
    torch.testing.assert_close(embeddings, expected, atol=1e-5, rtol=0)
    nothing = encoder.crop_embeddings(images, torch.zeros_like(EVERYTHING, dtype=torch.bool))
    torch.testing.assert_close(nothing, expected, atol=1e-5, rtol=0)


def test_masked_crop_equals_the_last_layer_written_out(encoder, clip, images) -> None:
    masks = torch.zeros(3, CROP_SIZE, CROP_SIZE)
    masks[0, 2:20, 5:13] = 1
    masks[1, 31, 31] = 1  # one pixel of one patch
    masks[2, :, 16:] = 0.25
    with torch.no_grad():
        hidden = clip.vision_model(_pixel_values(images), output_hidden_states=True).hidden_states
    for i in range(3):
        cells = masks[i].reshape(4, PATCH_SIZE, 4, PATCH_SIZE).amax((1, 3)).flatten() > 0
        seen = np.flatnonzero(np.concatenate([[True], cells.numpy()]))
        expected = _written_out(clip, hidden[-2][i].double().numpy(), seen)
        got = encoder.crop_embeddings(images[i : i + 1], masks[i : i + 1])[0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


def _written_out(clip: CLIPModel, x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The embedding from the input (L, width) of the last layer: plain numpy, seen tokens only."""
    weights = {name: value.double().numpy() for name, value in clip.state_dict().items()}
    layer = clip.vision_model.encoder.layers[-1]
    name = f"vision_model.encoder.layers.{len(clip.vision_model.encoder.layers) - 1}."

    def linear(x: np.ndarray, part: str) -> np.ndarray:
        return x @ weights[f"{name}{part}.weight"].T + weights[f"{name}{part}.bias"]

    def norm(x: np.ndarray, part: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * weights[f"{part}.weight"] + weights[f"{part}.bias"]

    normed = norm(x, f"{name}layer_norm1")
    q = linear(normed[:1], "self_attn.q_proj")
    k = linear(normed[seen], "self_attn.k_proj")
    v = linear(normed[seen], "self_attn.v_proj")
    heads, size = layer.self_attn.num_heads, layer.self_attn.head_dim
    mixed = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        scores = np.exp(q[:, own] @ k[:, own].T / np.sqrt(size))
        mixed.append(scores / scores.sum() @ v[:, own])
    x = x[:1] + linear(np.concatenate(mixed, axis=1), "self_attn.out_proj")
    wide = linear(norm(x, f"{name}layer_norm2"), "mlp.fc1")
    x = x + linear(wide / (1 + np.exp(-1.702 * wide)), "mlp.fc2")  # CLIP's quick GELU
    pooled = norm(x, "vision_model.post_layernorm")[0] @ weights["visual_projection.weight"].T
    return pooled / np.linalg.norm(pooled)


def test_hidden_patches_are_minus_infinity_and_the_output_token_never_is() -> None:
    masks = torch.zeros(2, 16, 16)
    masks[0, 7, 7:9] = 1  # touches the two upper patches
    mask = output_token_mask(masks, 8)
    assert mask.dtype == torch.float32
    assert mask.shape == (2, 1, 1, 5)
    assert mask[0].flatten().tolist() == [0, 0, 0, -torch.inf, -torch.inf]
    assert mask[1].flatten().tolist() == [0] * 5


def test_many_crops_are_embedded_as_few(encoder, images, monkeypatch) -> None:
    masks = (
        torch.rand(3, CROP_SIZE, CROP_SIZE, generator=torch.Generator().manual_seed(5)) > 0.9
    ).float()
    together = encoder.crop_embeddings(images, masks)
    monkeypatch.setattr("anymask.model.text_clip._CROPS_A_PASS", 2)
    torch.testing.assert_close(encoder.crop_embeddings(images, masks), together)
    assert encoder.crop_embeddings(images[:0], masks[:0]).shape == (0, TEXT_DIM)


def test_crops_of_another_size_are_told(encoder, images) -> None:
    with pytest.raises(InvalidInputError, match=r"\(P, 3, 32, 32\) with masks .* got \(3, 3, 16"):
        encoder.crop_embeddings(images[..., :16, :16], EVERYTHING)
    with pytest.raises(InvalidInputError, match=r"and \(2, 32, 32\)"):
        encoder.crop_embeddings(images, EVERYTHING[:2])


def test_texts_are_clips_text_features_whatever_stands_beside_them(encoder, clip) -> None:
    texts = ["red", "the red box", "a"]
    together = encoder.text_embeddings(texts)
    assert together.shape == (3, TEXT_DIM)
    assert encoder.text_dim == TEXT_DIM
    for text, got in zip(texts, together, strict=True):
        spelled = [i for word in text.split() for i in _letters(word)]
        ids = torch.tensor([[0, *spelled, 1]])
        with torch.no_grad():
            expected = clip.get_text_features(ids).pooler_output[0]
        torch.testing.assert_close(got, torch.nn.functional.normalize(expected, dim=-1))
    assert encoder.text_embeddings([]).shape == (0, TEXT_DIM)


def _letters(word: str) -> list[int]:
    codes = [2 + ord(letter) - ord("a") for letter in word]
    return [*codes[:-1], codes[-1] + 26]  # the last letter closes the word


def test_text_that_is_too_long_is_told(encoder, caplog) -> None:
    with pytest.raises(InvalidInputError, match=rf"at most {MAX_TOKENS - 2} tokens, got 20 in 'aa"):
        encoder.text_embeddings(["ok", "a" * 20])
    assert not caplog.records


def test_nothing_of_clip_is_trained(encoder, images) -> None:
    assert not encoder.crop_embeddings(images, EVERYTHING).requires_grad
    assert not encoder.text_embeddings(["red"]).requires_grad


def test_clip_that_is_not_on_this_machine_says_how_to_get_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in (PAPER_CLIP, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match=f"Run: hf download {PAPER_CLIP}"):
            load_clip(name)


def test_other_models_and_incomplete_ones_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"all weights of CLIP, visual_projection\.weight is"):
        load_clip(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="CLIP must be a folder"):
        load_clip(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="must hold a CLIP model, got a bert"):
        load_clip(tmp_path)


def test_missing_transformers_names_the_extra(folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anymask\[text\]'"):
        load_clip(folder)
