"""The wired network: preprocessing, batches equal to one by one, gradients everywhere."""

import dataclasses

import pytest
import torch

from anymask.core.prompts import PointLabel
from anymask.model.checkpoints import build_sam
from anymask.model.features import PromptTensors
from anymask.model.presets import tiny, tiny_vit

CONFIGS = [tiny(), tiny_vit()]


def names(config):
    return config.name


def lively(config):
    """Return a model none of whose parts starts as zeros."""
    model = build_sam(config, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.2)
    return model


def prompts_for(config, num_prompts):
    """Return ragged prompts: clicks, fillers, boxes, and masks for some."""
    S, M = config.image_size, config.mask_size
    corners = [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]
    rows = [[1, 0, PointLabel.PADDING], [*corners, 1], [*corners, PointLabel.ABSENT]]
    generator = torch.Generator().manual_seed(2)
    coords = S * torch.rand(num_prompts, 3, 2, generator=generator)
    coords[:, :2] = coords[:, :2].sort(dim=1).values
    return PromptTensors(
        point_coords=coords,
        point_labels=torch.tensor([rows[i % 3] for i in range(num_prompts)]),
        mask_input=torch.randn(num_prompts, 1, M, M, generator=generator),
        has_mask=torch.arange(num_prompts) % 2 == 0,
    )


def test_preprocess_normalises_and_then_pads_with_zeros():
    model = build_sam(tiny(), seed=0)
    image = torch.full((3, 2, 5), 100.0)
    pixels = model.preprocess([image, image])
    expected = (torch.full((3,), 100.0) - model.pixel_mean.flatten()) / model.pixel_std.flatten()
    assert pixels.shape == (2, 3, 64, 64)
    torch.testing.assert_close(pixels[1, :, 1, 4], expected)
    assert not pixels[:, :, 2:].any()
    assert not pixels[:, :, :, 5:].any()


@pytest.mark.parametrize("config", CONFIGS, ids=names)
@pytest.mark.parametrize("index", [[0, 0, 1, 1], [1, 0, 0, 1]])
@torch.no_grad()
def test_a_batch_equals_one_by_one(config, index):
    model = lively(config).eval()
    S = config.image_size
    images = torch.randn(2, 3, S, S)
    prompts = prompts_for(config, 4)
    together = model.decode(
        model.encode_images(images), prompts, torch.tensor(index), multimask_output=None
    )
    for p, i in enumerate(index):
        # Alone, a prompt needs no fillers either.
        row = slice(p, p + 1)
        kept = prompts.point_labels[p] != PointLabel.ABSENT
        alone = model.decode(
            model.encode_images(images[i : i + 1]),
            PromptTensors(
                point_coords=prompts.point_coords[row, kept],
                point_labels=prompts.point_labels[row, kept],
                mask_input=prompts.mask_input[row] if prompts.has_mask[p] else None,
            ),
            torch.tensor([0]),
            multimask_output=None,
        )
        for name in ("low_res_logits", "iou_predictions"):
            torch.testing.assert_close(
                getattr(together, name)[p], getattr(alone, name)[0], atol=2e-5, rtol=1e-4
            )


@pytest.mark.parametrize("config", CONFIGS, ids=names)
def test_gradients_reach_every_parameter(config):
    model = lively(config).train()
    S = config.image_size
    decoded = model.decode(
        model.encode_images(torch.randn(2, 3, S, S)),
        prompts_for(config, 4),
        torch.tensor([0, 0, 1, 1]),
        multimask_output=None,
    )
    (decoded.low_res_logits.square().mean() + decoded.iou_predictions.square().mean()).backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    # with drawn prompts, "no mask" is an empty map and its embedding idle
    assert without == (["prompt_encoder.no_mask_embed.weight"] if config.prompt_maps else [])


def test_decoder_dropout_acts_only_in_training():
    config = dataclasses.replace(tiny_vit(), decoder_dropout=0.5)
    model = build_sam(config, seed=0).train()
    features = model.encode_images(torch.randn(1, 3, 96, 96))

    def logits():
        index = torch.zeros(2, dtype=torch.int64)
        prompts = prompts_for(config, 2)
        return model.decode(features, prompts, index, multimask_output=None).low_res_logits

    assert not torch.allclose(logits(), logits())
    model.eval()
    assert torch.equal(logits(), logits())
