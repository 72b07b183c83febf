"""The link between sentences and places."""

import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.features import PromptTensors
from anymask.model.presets import preset
from anymask.model.sam import Sam
from anymask.model.text_link import TextLink


@pytest.fixture
def model() -> Sam:
    from dataclasses import replace

    config = replace(preset("tiny"), text_dim=12, text_link_dim=6, iou_from_mask=True)
    return build_sam(config, seed=0).eval()


def test_logits_are_scaled_cosines() -> None:
    torch.manual_seed(0)
    link = TextLink(embed_dim=8, text_dim=12, link_dim=6)
    cells = link.cells(torch.randn(2, 8, 3, 5))
    words = link.words(torch.randn(4, 12))
    assert cells.norm(dim=1).allclose(torch.ones(2, 3, 5))
    assert words.norm(dim=1).allclose(torch.ones(4))
    logits = link.logits(cells, words)
    assert logits.shape == (2, 4, 3, 5)
    expected = link.log_scale.exp() * (cells[1, :, 2, 4] @ words[3]) + link.bias
    assert logits[1, 3, 2, 4].item() == pytest.approx(expected.item(), abs=1e-5)


def test_text_reaches_the_mask_and_only_where_it_is_given(model: Sam) -> None:
    torch.manual_seed(0)
    features = model.encode_images(torch.randn(1, 3, 64, 64))
    coords = torch.tensor([[[20.0, 30.0], [0.0, 0.0]]]).expand(2, -1, -1)
    labels = torch.tensor([[1, -1]]).expand(2, -1)
    text = torch.randn(2, 12)
    index = torch.zeros(2, dtype=torch.int64)

    def logits(embeddings: torch.Tensor | None, has_text: torch.Tensor | None) -> torch.Tensor:
        prompts = PromptTensors(
            point_coords=coords,
            point_labels=labels,
            text_embeddings=embeddings,
            has_text=has_text,
        )
        return model.decode(features, prompts, index, multimask_output=True).low_res_logits

    with torch.no_grad():
        without, both = logits(None, None), logits(text, None)
        first = logits(text, torch.tensor([True, False]))
    assert first[1].allclose(without[1], atol=1e-5)
    assert first[0].allclose(both[0], atol=1e-5)
    assert not both[1].allclose(without[1], atol=1e-4)


def test_a_model_without_text_says_so() -> None:
    plain = build_sam(preset("tiny"), seed=0)
    prompts = PromptTensors(
        point_coords=torch.zeros(1, 2, 2),
        point_labels=torch.tensor([[1, -1]]),
        text_embeddings=torch.zeros(1, 12),
    )
    with pytest.raises(InvalidInputError, match="trained with text"):
        plain.prompt_encoder(prompts, 4)


def test_a_model_with_text_survives_its_file(model: Sam, tmp_path) -> None:  # type: ignore[no-untyped-def]
    save_sam(model, tmp_path / "m.safetensors")
    loaded, _ = load_sam(tmp_path / "m.safetensors")
    assert loaded.config == model.config
    assert loaded.text_link is not None
    assert torch.equal(
        loaded.text_link.word_projection.weight, model.text_link.word_projection.weight
    )
