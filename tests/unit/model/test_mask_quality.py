"""The IoU head that looks at the mask."""

import pytest
import torch

from anymask.model.mask_quality import NUM_STATISTICS, MaskQuality, _look


def disc(side: int, radius: float, certainty: float) -> torch.Tensor:
    """(1, 1, side, side) logits, positive in a disc in the middle."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centre = (side - 1) / 2
    inside = (x - centre) ** 2 + (y - centre) ** 2 < radius**2
    return torch.where(inside, certainty, -certainty)[None, None]


def test_a_sure_mask_has_full_statistics_and_an_unsure_one_less() -> None:
    cells = torch.zeros(1, 8, 8, 8)
    sure, _, _ = _look(disc(32, 9.0, 8.0), cells)
    unsure, _, _ = _look(disc(32, 9.0, 0.15), cells)
    assert sure.shape == (1, 1, NUM_STATISTICS)
    expected_iou, stability, certainty = sure[0, 0, :3]
    assert expected_iou > 0.98
    assert stability == 1.0
    assert certainty > 0.99
    assert (unsure[0, 0, :3] < torch.tensor([0.8, 0.1, 0.8])).all()
    assert unsure[0, 0, 4] > sure[0, 0, 4]


def test_an_empty_mask_gives_finite_numbers() -> None:
    statistics, inside, contrast = _look(torch.full((1, 1, 32, 32), -30.0), torch.ones(1, 8, 8, 8))
    assert statistics.isfinite().all()
    assert inside.isfinite().all()
    assert contrast.isfinite().all()


def test_contrast_is_the_inside_minus_what_surrounds_it() -> None:
    logits = disc(64, 9.0, 20.0)
    cells = torch.where(disc(16, 2.2, 1.0) > 0, 3.0, 1.0)
    _, inside, contrast = _look(logits, cells)
    assert inside.item() > 2.5
    assert contrast.item() > 1.0
    far = cells.clone()
    far[..., 0, 0] = 100.0  # a corner is no surroundings of the disc
    assert _look(logits, far)[2].item() == pytest.approx(contrast.item(), abs=1e-4)


def test_judging_sends_no_gradient_into_pixels_but_into_tokens() -> None:
    torch.manual_seed(0)
    head = MaskQuality(dim=8, hidden_dim=16, num_layers=3)
    token = torch.randn(2, 8, requires_grad=True)
    mask_tokens = torch.randn(2, 3, 8, requires_grad=True)
    logits = torch.randn(2, 3, 16, 16, requires_grad=True)
    cells = torch.randn(2, 8, 4, 4, requires_grad=True)
    out = head(token, mask_tokens, logits, cells)
    assert out.shape == (2, 3)
    out.sum().backward()
    assert logits.grad is None
    assert cells.grad is None
    assert token.grad is not None
    assert mask_tokens.grad is not None
