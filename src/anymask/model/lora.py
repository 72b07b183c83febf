"""Low-rank adaptation (Hu et al. 2021): train a small update of a layer, keep its weights as is.

An adapted layer computes `base(x) + alpha / r * up(down(x))` with `up` zero at first, so that a
fresh adapter changes nothing. A convolution's `down` has the base's kernel and `up` is 1x1, which
is again a convolution of the base's shape: `merge_lora` folds either into the plain layer.

Letters: r rank, n adapted parts of a fused projection (1 of a plain layer).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.model.sam import Sam

_FUSED = "qkv"  # the name of a linear layer that makes queries, keys and values in one


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """Which layers are adapted, and by how much.

    Attributes:
        rank: r, of each update.
        alpha: the update is scaled by alpha / r, so that the rank can change at one learning rate.
        modules: dotted names of parts of the model ("image_encoder", "mask_decoder.transformer");
            every linear layer and convolution in them is adapted.
        qkv_parts: of fused attention projections, which of q, k and v are adapted, each by an
            update of its own; "qv" is the choice of Hu et al. and of most fine-tunes of SAM.

    Raises:
        InvalidInputError: a value out of range.
    """

    rank: int = 8
    alpha: float = 16.0
    modules: tuple[str, ...] = ("image_encoder", "mask_decoder.transformer")
    qkv_parts: str = "qv"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InvalidInputError(f"rank must be 1 or more, got {self.rank}. Use 4 to 16.")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise InvalidInputError(f"alpha must be above 0, got {self.alpha}. Use twice the rank.")
        if not self.modules:
            raise InvalidInputError("modules must name a part of the model, got none. Add one.")
        wanted = [part for part in _FUSED if part in self.qkv_parts]
        if not wanted or "".join(wanted) != self.qkv_parts:
            raise InvalidInputError(
                f"qkv_parts must be some of the letters q, k, v in this order, "
                f"got {self.qkv_parts!r}. Use qv."
            )

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "LoraConfig":
        """The configuration that `to_json` wrote.

        Raises:
            CheckpointError: a field is missing or unknown, or a value is out of range.
        """
        try:
            return LoraConfig(**{**value, "modules": tuple(value["modules"])})
        except (KeyError, TypeError, InvalidInputError) as error:
            raise CheckpointError(
                f"the adapter's configuration does not fit this version: {error}"
            ) from None


class LoraLayer(nn.Module):
    """A frozen linear layer or convolution, and its low-rank update.

    `down` is (n r, in) or (n r, in, k, k), `up` is (n, out / parts, r). `parts` are the blocks of
    output rows that are adapted, `num_parts` how many blocks there are.
    """

    def __init__(
        self,
        base: nn.Linear | nn.Conv2d,
        config: LoraConfig,
        generator: torch.Generator,
        *,
        parts: tuple[int, ...] = (0,),
        num_parts: int = 1,
    ) -> None:
        super().__init__()
        self.base = base
        self.scale = config.alpha / config.rank
        self._parts = parts
        self._rows = base.weight.shape[0] // num_parts
        shape = (len(parts) * config.rank, *base.weight.shape[1:])
        bound = 1 / math.sqrt(math.prod(shape[1:]))  # as torch starts a linear layer
        down = torch.rand(shape, generator=generator) * (2 * bound) - bound
        like = base.weight
        self.down = nn.Parameter(down.to(like.device, like.dtype))
        self.up = nn.Parameter(like.new_zeros(len(parts), self._rows, config.rank))

    def forward(self, x: Tensor) -> Tensor:
        """What the base makes of x, plus the update."""
        up = self.scale * self._up_matrix()
        if isinstance(self.base, nn.Linear):
            update = F.linear(F.linear(x, self.down), up)
        else:
            base = self.base
            low = F.conv2d(
                x, self.down, stride=base.stride, padding=base.padding, dilation=base.dilation
            )
            update = F.conv2d(low, up[:, :, None, None])
        return self.base(x) + update  # type: ignore[no-any-return]

    @property
    def weight(self) -> Tensor:
        """The base's weight plus the update, for callers that multiply by it themselves."""
        update = self._up_matrix() @ self.down.flatten(1)
        return self.base.weight + self.scale * update.reshape(self.base.weight.shape)

    @property
    def bias(self) -> Tensor | None:
        """The base's, which is not adapted."""
        return self.base.bias

    @torch.no_grad()
    def merged(self) -> nn.Linear | nn.Conv2d:
        """The base layer with the update added to its weights, in float64 before rounding."""
        # on the CPU, as not every device knows float64
        up, down = self._up_matrix().cpu().double(), self.down.cpu().double()
        weight = self.base.weight
        update = (up @ down.flatten(1)).reshape(weight.shape)
        weight.copy_(weight.cpu().double() + self.scale * update)
        return self.base

    def _up_matrix(self) -> Tensor:
        """(out, n r): each part's rows take the update of their own part of `down`."""
        n, rows, r = self.up.shape
        if n == 1 and rows == self.base.weight.shape[0]:
            return self.up[0]
        matrix = self.up.new_zeros(self.base.weight.shape[0], n * r)
        for i, part in enumerate(self._parts):
            matrix[part * rows : (part + 1) * rows, i * r : (i + 1) * r] = self.up[i]
        return matrix


def add_lora(model: Sam, config: LoraConfig, seed: int = 0) -> tuple[str, ...]:
    """Adapts layers of the model in place, freezes all that is not an adapter, returns their names.

    Raises:
        InvalidInputError: a name in `config.modules` is no part of the model or holds no layer
            that can be adapted, or the model is adapted already.
    """
    if any(isinstance(module, LoraLayer) for module in model.modules()):
        raise InvalidInputError(
            "model must not carry adapters yet, got an adapted one. Merge it first (merge_lora)."
        )
    names = _layer_names(model, config.modules)
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name in names:
        parent, last = _parent(model, name)
        layer = getattr(parent, last)
        parts: tuple[int, ...] = (0,)
        num_parts = 1
        if last == _FUSED:
            parts = tuple(_FUSED.index(part) for part in config.qkv_parts)
            num_parts = len(_FUSED)
        adapted = LoraLayer(layer, config, generator, parts=parts, num_parts=num_parts)
        _replace(parent, last, adapted)
    return names


def merge_lora(model: Sam) -> None:
    """Folds the adapters into the layers they adapt, in place: a plain model of the same answers.

    Its parameters stay as trainable as they were. A model without adapters is left alone.
    """
    for name in _adapted_names(model):
        parent, last = _parent(model, name)
        _replace(parent, last, getattr(parent, last).merged())


def lora_state(model: Sam) -> dict[str, Tensor]:
    """The adapters' tensors by name, on the CPU: "<layer>.down" and "<layer>.up"."""
    state = {}
    for name in _adapted_names(model):
        layer = model.get_submodule(name)
        for part in ("down", "up"):
            state[f"{name}.{part}"] = getattr(layer, part).detach().cpu().contiguous()
    return state


def load_lora_state(model: Sam, state: Mapping[str, Tensor]) -> None:
    """Puts an adapter's tensors into a model that `add_lora` has adapted.

    Raises:
        CheckpointError: the tensors are not those of these layers.
    """
    expected = lora_state(model)
    different = sorted(
        key
        for key in {*expected, *state}
        if key not in expected or key not in state or expected[key].shape != state[key].shape
    )
    if different:
        raise CheckpointError(
            f"the adapter's tensors must be those of its layers, got other ones: {different[0]} "
            f"({len(different)} in all). Use the file as it was saved."
        )
    model.load_state_dict(dict(state), strict=False)


def _layer_names(model: Sam, modules: tuple[str, ...]) -> tuple[str, ...]:
    known = dict(model.named_modules())
    chosen: dict[str, None] = {}
    for wanted in modules:
        inside = [
            name
            for name, module in known.items()
            if (name == wanted or name.startswith(f"{wanted}.")) and _is_adaptable(module)
        ]
        if not inside:
            parts = [name for name in known if name and name.count(".") < 2][:12]
            raise InvalidInputError(
                f"modules must name parts of the model with linear layers or convolutions, "
                f"got {wanted!r}. Use for example {', '.join(parts)}."
            )
        chosen |= dict.fromkeys(inside)
    return tuple(chosen)


def _is_adaptable(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and module.padding_mode == "zeros"
    return isinstance(module, nn.Linear)


def _adapted_names(model: Sam) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, LoraLayer)]


def _parent(model: Sam, name: str) -> tuple[nn.Module, str]:
    path, _, last = name.rpartition(".")
    return model.get_submodule(path), last


def _replace(parent: nn.Module, name: str, layer: nn.Module) -> None:
    # Also right for Sequential and ModuleList, whose children have numbers for names.
    parent._modules[name] = layer
