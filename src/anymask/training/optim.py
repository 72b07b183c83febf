"""The optimiser: AdamW, its learning-rate curve, and the moving average of the weights."""

import torch
from torch import Tensor, nn

from anymask.training.config import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW without weight decay on biases, norms and embeddings."""
    embeddings = {
        parameter
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        for parameter in module.parameters()
    }
    decayed = [p for p in model.parameters() if p.ndim > 1 and p not in embeddings]
    others = [p for p in model.parameters() if p.ndim <= 1 or p in embeddings]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def learning_rate(step: int, num_steps: int, config: OptimConfig) -> float:
    """The learning rate of a step: warm-up, plateau, linear decay to a hundredth."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    decay_steps = max(1.0, config.decay_fraction * num_steps)
    remaining = max(0.01, min(1.0, (num_steps - step) / decay_steps))
    return config.learning_rate * warmup * remaining


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
