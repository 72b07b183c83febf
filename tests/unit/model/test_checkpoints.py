"""Our checkpoints: a round trip, stable ids, and one clear line for every broken file."""

import json
import os
import pickle
import re

import pytest
import safetensors.torch
import torch

from anymask.core.errors import CheckpointError, OutputError
from anymask.model import locations
from anymask.model.checkpoint_export import save_official, save_transformers
from anymask.model.checkpoint_files import read_metadata
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.downloads import sha256_of
from anymask.model.presets import tiny, tiny_vit


@pytest.fixture
def model():
    return build_sam(tiny(), seed=0)


@pytest.fixture
def path(model, tmp_path):
    save_sam(model, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def states_equal(a, b) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def refusal(path, **options) -> str:
    """Return the one line with which the file is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_sam(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_same_seed_builds_the_same_model():
    torch.manual_seed(5)
    first = build_sam(tiny(), seed=1)
    torch.manual_seed(6)
    before = torch.random.get_rng_state()
    second = build_sam(tiny(), seed=1)
    assert states_equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not states_equal(first, build_sam(tiny(), seed=2))
    assert not states_equal(build_sam(tiny()), build_sam(tiny()))


def test_a_saved_model_loads_the_same_and_ready_to_predict(model, path):
    loaded, _ = load_sam(path)
    assert states_equal(loaded, model)
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(loaded.pixel_mean, model.pixel_mean)
    assert torch.equal(loaded.pixel_std, model.pixel_std)
    assert all(p.requires_grad and not p.is_meta for p in loaded.parameters())


def test_the_id_is_the_name_and_the_start_of_the_hash(path):
    assert load_sam(path)[1] == f"tiny-{sha256_of(path)[:12]}"


def test_the_same_model_makes_the_same_file(model, tmp_path):
    metadata = {"licence": "Apache-2.0", "data": "none", "score": "1"}
    for name in "ab":
        save_sam(model, tmp_path / name, metadata=metadata)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_precision_halves_the_file_and_loads_as_float32(model, path, tmp_path):
    save_sam(model, tmp_path / "half", dtype="float16")
    loaded, _ = load_sam(tmp_path / "half")
    assert (tmp_path / "half").stat().st_size < 0.6 * path.stat().st_size
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[key], atol=2e-3, rtol=2e-3)


def test_metadata_travels_with_the_file(model, tmp_path):
    save_sam(model, tmp_path / "a", metadata={"licence": "Apache-2.0"})
    metadata = read_metadata(tmp_path / "a")
    assert metadata["licence"] == "Apache-2.0"
    assert metadata["anymask_format"] == "1"
    assert json.loads(metadata["anymask_config"])["name"] == "tiny"


def test_a_header_of_any_length_is_read(model, tmp_path):
    # its length comes first in the file: 0x..80 starts as a pickle does
    path = tmp_path / "padded.safetensors"
    for length in range(0, 256, 8):
        save_sam(model, path, metadata={"note": "x" * length})
        assert read_metadata(path)["note"] == "x" * length
        assert states_equal(load_sam(path)[0], model)


def test_a_failed_save_leaves_the_old_file(model, path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OutputError, match="No space left"):
        save_sam(model, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@torch.no_grad()
def test_another_image_size_resizes_the_positions(tmp_path):
    model = build_sam(tiny_vit(), seed=0).eval()
    save_sam(model, tmp_path / "vit")
    loaded, _ = load_sam(tmp_path / "vit", image_size=128)
    assert loaded.config.image_size == 128
    assert loaded.image_encoder.pos_embed.shape == (1, 8, 8, 32)
    assert loaded.image_encoder.blocks[1].attn.rel_pos_h.shape == (15, 16)
    assert loaded.image_encoder.blocks[0].attn.rel_pos_h.shape == (7, 16)  # windows stay
    images = torch.randn(1, 3, 128, 128)
    torch.testing.assert_close(
        loaded.encode_images(images).image_embeddings,
        model.encode_images(images).image_embeddings,  # resizes at each call
    )


def test_a_wrong_image_size_is_refused(path):
    assert "multiple of 16, got 100" in refusal(path, image_size=100)


def test_no_name_and_small_mean_the_shipped_weights(path, monkeypatch):
    monkeypatch.setattr(locations, "shipped_path", lambda: path)
    assert load_sam()[1] == load_sam("small")[1] == load_sam(path)[1]


def test_missing_shipped_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "shipped_path", lambda: tmp_path / "small.safetensors")
    assert "default weights" in refusal(None)


def test_a_name_not_downloaded_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path))
    assert "anymask models download vit_b" in refusal("vit_b")


def test_a_missing_file_lists_the_known_names(tmp_path):
    assert re.search("small, vit_b, vit_l, vit_h or an existing file", refusal(tmp_path / "no.pth"))


@pytest.mark.parametrize("kept", [0.0, 0.00001, 0.0003, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["ours", "official", "legacy"])
def test_a_truncated_file_is_refused(tmp_path, kind, kept):
    model, path = build_sam(tiny_vit(), seed=0), tmp_path / "sam.pth"
    if kind == "ours":
        save_sam(model, path)
    elif kind == "official":
        save_official(model, path)
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    assert re.search("damaged|is empty|not a checkpoint", refusal(path))


def test_a_pickle_with_code_is_refused_and_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"a": Evil()}, tmp_path / "zip.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("zip.pth", "bare.pth"):
        assert "could run code, or is damaged; it was not opened" in refusal(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"hello, this is a text file", "neither safetensors nor torch"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "neither safetensors nor torch"),
        (bytes([9, 0, 0, 0, 0, 0, 0, 0]) + b"{not json", "damaged"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, content, says):
    (tmp_path / "sam.pth").write_bytes(content)
    assert says in refusal(tmp_path / "sam.pth")


def test_a_folder_without_weights_is_refused(tmp_path):
    assert "is a folder without model.safetensors" in refusal(tmp_path)


def resave(path, change, **metadata) -> str:
    """Return the refusal after `change` was made to the file's tensors."""
    fields = {**read_metadata(path), **metadata}
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path, fields)
    return refusal(path)


def test_missing_keys_are_named_up_to_three(path):
    def drop_five(tensors):
        for key in sorted(tensors)[:5]:
            del tensors[key]

    text = resave(path, drop_five)
    assert text.count("image_encoder.") == 3
    assert "5 in all" in text


def test_unknown_keys_are_named(path):
    assert "unknown keys extra" in resave(path, lambda t: t.update(extra=torch.zeros(1)))


def test_a_wrong_shape_names_its_key_and_both_shapes(path):
    text = resave(path, lambda t: t.update({"mask_decoder.iou_token.weight": torch.zeros(1, 9)}))
    expected = (1, tiny().embed_dim)
    assert f"mask_decoder.iou_token.weight must have shape {expected}, got (1, 9)" in text


def test_a_newer_format_asks_for_an_update(path):
    assert "Update anymask" in resave(path, lambda t: None, anymask_format="2")


@pytest.mark.parametrize("config", ["{", "[]", '{"name": "x"}'])
def test_a_damaged_configuration_is_refused(path, config):
    assert "configuration" in resave(path, lambda t: None, anymask_config=config)


def test_tensors_that_are_no_sam_are_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    assert "no SAM that this version knows (first key: fc.weight)" in refusal(
        tmp_path / "other.pth"
    )
    torch.save([1, 2], tmp_path / "list.pth")
    assert "must hold a state_dict, got list" in refusal(tmp_path / "list.pth")


def test_an_official_file_lacking_keys_is_refused(tmp_path):
    save_official(build_sam(tiny_vit(), seed=0), tmp_path / "sam.pth")
    state = torch.load(tmp_path / "sam.pth", weights_only=True)
    part = {k: v for k, v in state.items() if not k.startswith("mask_decoder.")}
    torch.save(part, tmp_path / "part.pth")
    text = refusal(tmp_path / "part.pth")
    assert text.count("mask_decoder.") == 3


def test_an_official_file_with_other_heads_needs_them_named(tmp_path):
    model = build_sam(tiny_vit(), seed=0)
    save_official(model, tmp_path / "sam.pth")
    loaded, model_id = load_sam(tmp_path / "sam.pth", decoder_num_heads=2)
    assert loaded.config.image_encoder == model.config.image_encoder
    assert states_equal(loaded, model)
    assert model_id.startswith("vit-")
    assert "num_heads must divide 32, got 3" in refusal(tmp_path / "sam.pth", decoder_num_heads=3)


def test_a_state_dict_wrapped_by_a_training_script_loads(tmp_path):
    save_official(build_sam(tiny_vit(), seed=0), tmp_path / "sam.pth")
    state = torch.load(tmp_path / "sam.pth", weights_only=True)
    torch.save({"model": state, "epoch": 3}, tmp_path / "wrapped.pth")
    plain, _ = load_sam(tmp_path / "sam.pth", decoder_num_heads=2)
    assert states_equal(load_sam(tmp_path / "wrapped.pth", decoder_num_heads=2)[0], plain)


def test_a_transformers_folder_loads_with_its_own_heads(tmp_path):
    model = build_sam(tiny_vit(), seed=0)
    save_transformers(model, tmp_path / "deep" / "folder")
    loaded, _ = load_sam(tmp_path / "deep" / "folder")
    assert loaded.config.decoder_num_heads == 2
    assert states_equal(loaded, model)


@pytest.mark.parametrize("save", [save_official, save_transformers])
def test_other_layouts_cannot_hold_the_small_structure(model, tmp_path, save):
    with pytest.raises(CheckpointError, match=r"got tiny with a convolutional encoder, high_res"):
        save(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be made"):
        save_transformers(build_sam(tiny_vit(), seed=0), tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ('{"mask_decoder_config": {"num_attention_heads": 0}}', "makes no model"),
        ('{"mask_decoder_config": {"num_attention_heads": "two"}}', "makes no model"),
        ('{"mask_decoder_config": []}', None),
        ("[]", None),
    ],
)
def test_a_transformers_folder_with_a_damaged_config_is_refused(tmp_path, text, says):
    save_transformers(build_sam(tiny_vit(), seed=0), tmp_path)
    (tmp_path / "config.json").write_text(text)
    if says is None:
        assert load_sam(tmp_path)[0].config.decoder_num_heads == 8
    else:
        assert says in refusal(tmp_path)
