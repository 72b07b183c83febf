"""Features and decoded masks: choosing an image for each prompt, the best mask."""

import pytest
import torch

from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors


def features_of(num_images: int) -> ImageFeatures:
    return ImageFeatures(
        image_embeddings=torch.randn(num_images, 8, 2, 2),
        stride8=torch.randn(num_images, 2, 4, 4),
    )


@pytest.mark.parametrize(
    ("num_images", "index"), [(1, [0, 0, 0]), (2, [0, 0, 1, 1]), (3, [2, 0, 2, 1]), (2, [1])]
)
def test_each_prompt_gets_the_features_of_its_image(num_images, index):
    features = features_of(num_images)
    chosen = features.select(torch.tensor(index))
    # a single image stays one row, which broadcasts
    rows = [0] if num_images == 1 else index
    assert torch.equal(chosen.image_embeddings, features.image_embeddings[rows])
    assert torch.equal(chosen.stride8, features.stride8[rows])
    assert chosen.stride4 is None


def test_best_is_the_mask_with_the_highest_predicted_iou():
    logits = torch.randn(2, 3, 4, 4)
    decoded = DecodedMasks(
        low_res_logits=logits, iou_predictions=torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]])
    )
    assert torch.equal(decoded.best(), torch.stack([logits[0, 1:2], logits[1, 0:1]]))


def test_prompts_are_split_in_order():
    prompts = PromptTensors(
        point_coords=torch.randn(5, 1, 2),
        point_labels=torch.arange(5).reshape(5, 1),
        has_text=torch.tensor([True, False, True, False, True]),
    )
    parts = prompts.split(2)
    assert [len(part.point_labels) for part in parts] == [2, 2, 1]
    for name in ("point_coords", "point_labels", "has_text"):
        together = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(together, getattr(prompts, name))
    assert all(part.mask_input is None for part in parts)
