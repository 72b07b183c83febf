"""Presets: sizes in parameters and the cost of a prompt."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from anymask.core.errors import UnknownNameError
from anymask.model.features import ImageFeatures, PromptTensors
from anymask.model.presets import PRESET_NAMES, preset, small
from anymask.model.sam import Sam


def num_parameters(name: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in Sam(preset(name)).parameters())


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("vit_b", 93.0e6, 94.5e6),  # the paper's 91M counts the encoder
        ("vit_l", 311e6, 313e6),
        ("vit_h", 640e6, 642e6),
        ("vit_h_text", 641e6, 642e6),
        ("small", 1e6, 10e6),
        ("tiny", 1e3, 1e5),
        ("tiny_vit", 1e3, 2e5),
    ],
)
def test_number_of_parameters(name, low, high):
    assert low < num_parameters(name) < high


def test_preset_has_its_name():
    assert all(preset(name).name == name for name in PRESET_NAMES)


def test_unknown_preset_lists_the_known():
    with pytest.raises(UnknownNameError, match=r"vit_x.*small.*vit_b"):
        preset("vit_x")


@torch.no_grad()
def test_a_prompt_to_the_small_model_costs_at_most_700_megaflop():
    model = Sam(small()).eval()
    features = ImageFeatures(
        image_embeddings=torch.randn(1, 128, 24, 24),
        stride8=torch.randn(1, 32, 48, 48),
        stride4=torch.randn(1, 16, 96, 96),
    )
    prompt = PromptTensors(
        point_coords=torch.full((1, 2, 2), 99.5), point_labels=torch.tensor([[1, 0]])
    )
    with FlopCounterMode(display=False) as counter:
        model.decode(features, prompt, torch.tensor([0]), multimask_output=True)
    assert 0.1e9 < counter.get_total_flops() <= 0.7e9
