"""The mask decoder: which token answers, how features sharpen, the range of predicted IoUs."""

import dataclasses

import pytest
import torch

from anymask.model.features import EncodedPrompts, ImageFeatures
from anymask.model.mask_decoder import MaskDecoder, mask_slots
from anymask.model.presets import tiny, tiny_vit


def inputs_for(decoder, config, num_prompts=2, grid=3):
    torch.manual_seed(0)
    D, P = config.embed_dim, num_prompts
    is_fine = config.high_res_features
    features = ImageFeatures(
        image_embeddings=torch.randn(P, D, grid, grid),
        stride8=torch.randn(P, D // 4, 2 * grid, 2 * grid) if is_fine else None,
        stride4=torch.randn(P, D // 8, 4 * grid, 4 * grid) if is_fine else None,
    )
    prompts = EncodedPrompts(
        sparse_embeddings=torch.randn(P, 2, D),
        sparse_mask=None,
        dense_embeddings=torch.randn(1, D, 1, 1),
        stride8=torch.randn(P, D // 4, 2 * grid, 2 * grid) if is_fine else None,
        stride4=torch.randn(P, D // 8, 4 * grid, 4 * grid) if is_fine else None,
    )
    return features, decoder.prepare_positions(torch.randn(1, D, grid, grid)), prompts


@pytest.mark.parametrize(
    ("multimask_output", "slots"), [(None, [0, 1, 2, 3]), (True, [1, 2, 3]), (False, [0])]
)
def test_slots_of_each_request(multimask_output, slots):
    assert list(range(4)[mask_slots(multimask_output)]) == slots


@pytest.mark.parametrize("config", [tiny(), tiny_vit()], ids=lambda config: config.name)
@torch.no_grad()
def test_requests_are_parts_of_all_masks(config):
    decoder = MaskDecoder(config).eval()
    inputs = inputs_for(decoder, config)
    every, three, single = (decoder(*inputs, m) for m in (None, True, False))
    assert every.low_res_logits.shape == (2, 4, 12, 12)
    torch.testing.assert_close(three.low_res_logits, every.low_res_logits[:, 1:])
    torch.testing.assert_close(single.low_res_logits, every.low_res_logits[:, :1])
    torch.testing.assert_close(three.iou_predictions, every.iou_predictions[:, 1:])
    torch.testing.assert_close(single.iou_predictions, every.iou_predictions[:, :1])


@torch.no_grad()
def test_fillers_change_no_mask():
    decoder = MaskDecoder(tiny()).eval()
    features, positions, prompts = inputs_for(decoder, tiny())
    sparse = prompts.sparse_embeddings
    filled = dataclasses.replace(
        prompts,
        sparse_embeddings=torch.cat([sparse, torch.randn(2, 3, sparse.shape[2])], dim=1),
        sparse_mask=torch.tensor([[True, True, False, False, False]] * 2),
    )
    plain = decoder(features, positions, prompts, None)
    same = decoder(features, positions, filled, None)
    torch.testing.assert_close(same.low_res_logits, plain.low_res_logits)
    torch.testing.assert_close(same.iou_predictions, plain.iou_predictions)


@torch.no_grad()
def test_iou_sigmoid_stays_between_zero_and_one():
    config = tiny()
    decoder = MaskDecoder(config).eval()
    decoder.iou_prediction_head.layers[-1].bias.fill_(9)
    inputs = inputs_for(decoder, config)
    squashed = decoder(*inputs, None).iou_predictions
    assert bool((squashed < 1).all())
    decoder.iou_sigmoid = False
    torch.testing.assert_close(decoder(*inputs, None).iou_predictions.sigmoid(), squashed)


@torch.no_grad()
def test_fine_features_and_fine_prompts_reach_the_mask():
    decoder = MaskDecoder(tiny()).eval()
    features, positions, prompts = inputs_for(decoder, tiny())
    before = decoder(features, positions, prompts, False).low_res_logits
    # noise, as a constant would be normalised away
    stride8 = features.stride8 + torch.randn_like(features.stride8)
    stride4 = features.stride4 + torch.randn_like(features.stride4)
    drawn8 = prompts.stride8 + torch.randn_like(prompts.stride8)
    drawn4 = prompts.stride4 + torch.randn_like(prompts.stride4)
    for other_features, other_prompts in (
        (dataclasses.replace(features, stride8=stride8), prompts),
        (dataclasses.replace(features, stride4=stride4), prompts),
        (features, dataclasses.replace(prompts, stride8=drawn8)),
        (features, dataclasses.replace(prompts, stride4=drawn4)),
    ):
        after = decoder(other_features, positions, other_prompts, False).low_res_logits
        assert not torch.allclose(after, before, atol=1e-3)
