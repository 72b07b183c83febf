"""Processes that train one model together: who we are, what we agree on, how the model is split.

`torchrun` starts the processes and tells each its rank; without it there is one process and
nothing here does anything.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from anymask.core.errors import InvalidInputError
from anymask.model.conv_encoder import GlobalBlock
from anymask.model.image_encoder import VitBlock
from anymask.model.layers import ConvBlock
from anymask.training.objective import BatchT, Objective
from anymask.training.share import Share

# The first process validates while the others wait.
_TIMEOUT = timedelta(hours=2)
_BLOCKS = (VitBlock, GlobalBlock, ConvBlock)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How a run is spread over hardware; none of it changes what is learned.

    Attributes:
        parallel: "ddp", every process holds the whole model; "fsdp", weights, gradients and
            optimiser state are split over the processes (FSDP2).
        accumulate: passes that a process divides its rows of a batch into, one after the other.
        recompute: forget the activations inside the encoder's blocks and compute them again on
            the way back: less memory, about a third more time in the encoder.
    """

    parallel: Literal["ddp", "fsdp"] = "ddp"
    accumulate: int = 1
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise InvalidInputError(
                f"accumulate must be at least 1, got {self.accumulate}. Leave it out for one pass."
            )
        if self.parallel not in ("ddp", "fsdp"):
            raise InvalidInputError(f"parallel must be ddp or fsdp, got {self.parallel!r}.")


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among all of the run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """The process that writes files and shows progress."""
        return self.rank == 0

    def shares(self, accumulate: int) -> list[Share]:
        """The parts of every global batch that this process computes, in order."""
        count = self.world_size * accumulate
        return [Share(index=self.rank * accumulate + i, count=count) for i in range(accumulate)]

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.world_size > 1:
            dist.barrier()

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same in each."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, text: str) -> list[str]:
        """The texts of all processes, in order of rank."""
        if self.world_size == 1:
            return [text]
        texts: list[str] = [""] * self.world_size
        dist.all_gather_object(texts, text)
        return texts


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """The processes that `torchrun` started, connected until the context ends; one without it.

    With several, "cuda" is the GPU of the local rank, and tensors go through NCCL; on the CPU
    through gloo.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield Processes(rank=0, world_size=1, device=torch.device(device))
        return
    kind = torch.device(device).type
    if kind not in ("cpu", "cuda"):
        raise InvalidInputError(
            f"device must be cpu or cuda with several processes, got {device!r}. Use one of them."
        )
    own = torch.device(kind)
    if kind == "cuda":
        own = torch.device(kind, int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield Processes(rank=dist.get_rank(), world_size=world_size, device=own)
        dist.barrier()  # one that ends early would take away connections that others still use
    finally:
        dist.destroy_process_group()


class LossModule(nn.Module, Generic[BatchT]):
    """The objective's losses as one forward call, which is what DDP and FSDP put their hooks on."""

    def __init__(self, model: nn.Module, objective: Objective[BatchT]) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: BatchT, step: int, share: Share) -> dict[str, Tensor]:
        """See `Objective.losses`."""
        return self.objective.losses(self.model, batch, step, share)


def recompute_blocks(model: nn.Module) -> None:
    """Makes the repeated blocks forget their activations, in place."""
    for module in model.modules():
        if isinstance(module, _BLOCKS):
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)  # type: ignore[method-assign]


def shard(model: nn.Module, who: Processes, dtype: torch.dtype) -> nn.Module:
    """Splits the model's parameters over the processes, the encoder's blocks one by one (FSDP2).

    A block's weights are gathered when it runs, in `dtype`, and let go afterwards; the rest of the
    model is small and gathered once a step. Gradients are summed in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Nothing here writes into the output of a block, which is what the warning is about.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
    mesh = init_device_mesh(who.device.type, (who.world_size,))
    policy = MixedPrecisionPolicy(
        param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for name, module in model.named_modules():
        if isinstance(module, _BLOCKS) and not name.startswith("mask_decoder"):
            fully_shard(module, mesh=mesh, mp_policy=policy)
    return model


def parallel_losses(
    model: nn.Module, objective: Objective[BatchT], who: Processes, scale: Scale, dtype: torch.dtype
) -> nn.Module:
    """The module that computes losses and, in `backward`, gradients averaged over all processes."""
    module = LossModule(model, objective)
    if who.world_size == 1:
        return module
    if scale.parallel == "fsdp":
        try:
            from torch.distributed.fsdp import fully_shard
        except ImportError:
            raise InvalidInputError(
                f"parallel fsdp needs torch 2.6 or later, got {torch.__version__}. "
                "Use ddp, or update torch."
            ) from None
        shard(model, who, dtype)
        fully_shard(module)
        return module
    from torch.nn.parallel import DistributedDataParallel

    with warnings.catch_warnings():  # later versions of torch name this option otherwise
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(
            module,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            # What no target of a batch asks for (text, say) has no gradient in that step.
            find_unused_parameters=True,
        )


def gradient_exchange(losses: nn.Module, is_last: bool) -> AbstractContextManager[object]:
    """Within it, only the last of several accumulated passes averages over the processes."""
    from torch.nn.parallel import DistributedDataParallel

    if isinstance(losses, DistributedDataParallel):
        return nullcontext() if is_last else losses.no_sync()
    set_sync = getattr(losses, "set_requires_gradient_sync", None)  # of FSDP
    if set_sync is not None:
        set_sync(is_last)
    return nullcontext()


def whole(value: Tensor) -> Tensor:
    """The tensor itself, or all of it when it is split over processes (all must ask)."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def split_like(value: Tensor, model: Tensor) -> Tensor:
    """The whole tensor on the model tensor's device, split as that one is."""
    value = value.to(model.device)
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(model, DTensor):
        return value
    return distribute_tensor(value, model.device_mesh, model.placements)
