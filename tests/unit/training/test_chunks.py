"""Decoding in chunks changes memory, not gradients."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anymask.model.checkpoints import build_sam
from anymask.model.config import SamConfig
from anymask.model.presets import tiny as tiny_conv
from anymask.model.presets import tiny_vit
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch, make_batch
from anymask.training.config import PromptConfig, Stage, TrainConfig
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import paper_vit_b, tiny
from anymask.training.step import StepLosses, step_draws, training_losses
from anymask.training.text_prompts import TextEmbeddings


def _config(recipe: Callable[[], TrainConfig]) -> TrainConfig:
    stage = Stage(end_step=1, image_size=64, batch_size=3)
    return replace(recipe(), stages=(stage,), masks_per_image=3, min_mask_fraction=0.005)


def _with_text(config: TrainConfig) -> TrainConfig:
    return replace(
        config, prompts=replace(config.prompts, text_probability=0.4, text_alone_probability=0.3)
    )


def _text_source(batch: TrainBatch, device: torch.device) -> TextEmbeddings:
    P = len(batch.image_index)
    embeddings = torch.randn(P, 8, generator=torch.Generator().manual_seed(1)).to(device)
    return TextEmbeddings(embeddings=embeddings, is_known=torch.arange(P) % 4 > 0)


def _learn(
    model_config: SamConfig, config: TrainConfig, folder: Path, chunk: int
) -> tuple[dict[str, Tensor | None], StepLosses, int]:
    examples, _ = read_examples([folder], validation_fraction=0.0, set_weights={})
    batch = make_batch(examples, ImageCache(), config, step=0)
    model = build_sam(model_config, seed=0).train()
    num_encoded = []
    model.image_encoder.register_forward_hook(lambda *_: num_encoded.append(1))
    losses = training_losses(
        model,
        batch,
        replace(config, masks_per_chunk=chunk),
        step_draws(0, 0),
        text_source=_text_source,
    )
    (losses.total * 0.5).backward()  # the loop scales its loss too
    return {n: p.grad for n, p in model.named_parameters()}, losses, len(num_encoded)


@pytest.mark.parametrize("chunk", [1, 4, 8])
@pytest.mark.parametrize(
    ("model_config", "config"),
    [
        (tiny_conv(), _config(tiny)),
        (tiny_vit(), _config(paper_vit_b)),
        (replace(tiny_conv(), text_dim=8), _with_text(_config(tiny))),
    ],
    ids=["small recipe", "paper's recipe", "with text"],
)
def test_gradients_of_chunks_are_those_of_all_targets_at_once(
    model_config: SamConfig, config: TrainConfig, chunk: int, shapes_folder: Path
) -> None:
    whole, losses, _ = _learn(model_config, config, shapes_folder, 0)
    parts, chunked, num_encoded = _learn(model_config, config, shapes_folder, chunk)
    assert num_encoded == 1
    assert chunked.values() == pytest.approx(losses.values(), rel=1e-5, abs=1e-6)
    torch.testing.assert_close(
        chunked.target_losses(), losses.target_losses(), rtol=1e-5, atol=1e-5
    )
    assert {n for n, g in parts.items() if g is None} == {n for n, g in whole.items() if g is None}
    one, other = (
        torch.cat([g.flatten() for g in gradients.values() if g is not None])
        for gradients in (whole, parts)
    )
    assert float((one - other).abs().max()) < 1e-5
    assert float((one - other).norm() / one.norm()) < 1e-5


def test_chunk_as_large_as_the_batch_is_the_same_code_path(shapes_folder: Path) -> None:
    config = _config(tiny)
    whole, _, _ = _learn(tiny_conv(), config, shapes_folder, 0)
    same, _, _ = _learn(tiny_conv(), config, shapes_folder, 9)
    assert all(
        (a is None and b is None) or torch.equal(a, b)  # type: ignore[arg-type]
        for a, b in zip(whole.values(), same.values(), strict=True)
    )


def test_most_targets_decoded_at_once_is_the_chunk(
    shapes_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    decode = Sam.decode

    def counting(self: Sam, features: object, prompts: object, index: Tensor, **rest: object):  # type: ignore[no-untyped-def]
        sizes.append(len(index))
        return decode(self, features, prompts, index, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Sam, "decode", counting)
    config = replace(_config(tiny), prompts=PromptConfig(min_rounds=1, max_rounds=1))
    _learn(tiny_conv(), config, shapes_folder, 4)
    assert sizes == [4, 4, 4, 4, 1, 1]


@torch.no_grad()
def test_without_gradients_chunks_only_sum_up(shapes_folder: Path) -> None:
    config = _config(tiny)
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_batch(examples, ImageCache(), config, step=0)
    model = build_sam(tiny_conv(), seed=0).train()
    whole = training_losses(model, batch, config, step_draws(0, 0))
    parts = training_losses(model, batch, replace(config, masks_per_chunk=2), step_draws(0, 0))
    assert float(parts.total) == pytest.approx(float(whole.total), rel=1e-5)
    assert not parts.total.requires_grad
