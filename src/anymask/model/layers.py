"""Small layers that several parts of the network share."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of (B, C, H, W); free of copies in channels-last memory."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The input normalised over its channels, same shape."""
        x = x.permute(0, 2, 3, 1)  # B H W C
        x = F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)  # B C H W


class DropPath(nn.Module):
    """Drops a residual branch for whole samples while training ("stochastic depth")."""

    def __init__(self, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = drop_probability

    def forward(self, x: Tensor) -> Tensor:
        """The input; in training a random part of the batch is zero, the rest rescaled."""
        if not self.training or self.drop_probability == 0.0:
            return x
        keep = 1.0 - self.drop_probability
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask / keep


class ReluMlp(nn.Module):
    """Linear layers with ReLU between them (the decoder's heads)."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_layers: int) -> None:
        super().__init__()
        dims = [in_dim, *[hidden_dim] * (num_layers - 1), out_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_dim) to (..., out_dim)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)  # type: ignore[no-any-return]


class MlpBlock(nn.Module):
    """The two-layer perceptron of a transformer block."""

    def __init__(self, dim: int, hidden_dim: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, hidden_dim)
        self.lin2 = nn.Linear(hidden_dim, dim)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to (..., dim)."""
        return self.lin2(self.act(self.lin1(x)))  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """A residual block of two dense 3x3 convolutions, normalised between them.

    The norm sits before the ReLU: in front of the first convolution it let units die and the
    residual stream grow a hundredfold within a thousand steps (docs/experiments.md).
    """

    def __init__(self, dim: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.norm = LayerNorm2d(dim)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.drop_path = DropPath(drop_path)
        # The block starts as the identity, which lets a deep stack train from the first step.
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, dim, h, w) to the same."""
        return x + self.drop_path(self.conv2(F.relu(self.norm(self.conv1(x)))))  # type: ignore[no-any-return]
