"""The optimiser: AdamW, its learning-rate curve, and the moving average of the weights."""

import math
import re
from typing import Any

import torch
from torch import Tensor, nn

from anymask.core.errors import InvalidInputError
from anymask.training.config import OptimConfig

# Tables of positions are embeddings too, though not in an nn.Embedding.
_POSITIONS = ("pos_embed", "rel_pos_h", "rel_pos_w")
_BLOCK = re.compile(r"\bimage_encoder\.blocks\.(\d+)\.")
_FIRST = re.compile(r"\bimage_encoder\.(patch_embed|pos_embed|stem)\b")
_STAGE = re.compile(r"\bimage_encoder\.stage(\d+)\.")
_STAGE_LAYERS = {"4": 1, "8": 2, "16": 3, "32": 4}


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`."""
    groups = parameter_groups(model, config)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def parameter_groups(model: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """The trained parameters in groups with a "weight_decay" and an "lr_scale".

    Biases, norms, embeddings and tables of positions are not decayed. A layer of the image encoder
    has the `layer_decay`-fold learning rate of the next one: the ViT's patches and positions are
    layer 0, its blocks 1 to depth; the convolutional encoder's stem and its four stages are the
    layers 0 to 4. What comes after (neck, prompt encoder, decoder) learns at the full rate.

    Raises:
        InvalidInputError: a layer decay for a model without an image encoder, or nothing to train.
    """
    embeddings = {
        parameter
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        for parameter in module.parameters()
    }
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise InvalidInputError("the model must have parameters to train, got none. Unfreeze some.")
    scales = _learning_rate_scales([name for name, _ in named], config.layer_decay)
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for scale in sorted(set(scales)):
        groups |= {(scale, True): [], (scale, False): []}
    for (name, p), scale in zip(named, scales, strict=True):
        is_decayed = p.ndim > 1 and p not in embeddings and not name.endswith(_POSITIONS)
        groups[scale, is_decayed].append(p)
    return [
        {"params": ps, "weight_decay": config.weight_decay * is_decayed, "lr_scale": scale}
        for (scale, is_decayed), ps in groups.items()
        if ps
    ]


def _learning_rate_scales(names: list[str], layer_decay: float) -> list[float]:
    if layer_decay == 1.0:
        return [1.0] * len(names)
    layers = [_encoder_layer(name) for name in names]
    known = [layer for layer in layers if layer is not None]
    if not known:
        raise InvalidInputError(
            f"layer_decay must be 1 for a model without a trained image encoder, got {layer_decay}."
        )
    top = max(known) + 1
    return [layer_decay ** (0 if layer is None else top - layer) for layer in layers]


def _encoder_layer(name: str) -> int | None:
    """The layer of the image encoder that a parameter belongs to, None for what comes after."""
    if _FIRST.search(name):
        return 0
    if block := _BLOCK.search(name):
        return 1 + int(block[1])
    stage = _STAGE.search(name)
    return _STAGE_LAYERS[stage[1]] if stage else None


def learning_rate(step: int, num_steps: int, config: OptimConfig) -> float:
    """The learning rate of a step (from 0), before a group's "lr_scale"; see `OptimConfig`."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "step":
        num_passed = sum(milestone <= step for milestone in config.milestones)
        remaining = config.milestone_factor**num_passed
    elif config.schedule == "cosine":
        done = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
        remaining = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
    else:
        decay_steps = max(1.0, config.decay_fraction * num_steps)
        remaining = max(0.01, min(1.0, (num_steps - step) / decay_steps))
    return config.learning_rate * warmup * remaining


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group its share of the rate."""
    for group in optimizer.param_groups:
        # runs that were saved before there were scales have none
        group["lr"] = rate * group.get("lr_scale", 1.0)


class MovingAverage:
    """An exponential moving average of a model's parameters; the weights that are shipped."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in model.named_parameters()
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Takes in the parameters after a step; early steps average over fewer."""
        decay = min(self.decay, (1 + step) / (10 + step))
        parameters = dict(model.named_parameters())
        own = list(self.values.values())
        torch._foreach_lerp_(own, [parameters[name].data for name in self.values], 1 - decay)
