"""The moving parts of a run, and their way to disk and back, whatever the number of processes.

One process, or several that each hold the whole model, write one file. Processes that share a
model (FSDP) write a folder together, each its part. Either is read by any number of processes.
"""

import copy
import pickle
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from anymask.core.errors import CheckpointError, OutputError
from anymask.core.files import atomic_write, rename_folder
from anymask.training.distributed import Processes, split_like, whole
from anymask.training.optim import MovingAverage
from anymask.training.run_folder import RunFolder


@dataclass(kw_only=True, eq=False)
class RunState:
    """What a step changes.

    Attributes:
        model: possibly split over processes.
        optimizer: of the model's parameters.
        average: of the model's parameters.
        skeleton: the model without its parameters' values, to build the averaged model from.
        step: steps done.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    skeleton: nn.Module
    step: int = 0

    def averaged_model(self, who: Processes) -> nn.Module | None:
        """The whole averaged model in evaluation mode, in the first process; all must ask."""
        values = self.model.state_dict() | self.average.values
        kept: dict[str, Tensor] = {}
        for name, value in values.items():
            all_of_it = whole(value.detach())
            if who.is_first:
                kept[name] = all_of_it.clone()
        if not who.is_first:
            return None
        model = copy.deepcopy(self.skeleton)
        model.load_state_dict(kept, assign=True)
        return model.to(who.device).eval()

    def save(self, folder: RunFolder, who: Processes) -> None:
        """Replaces the state on disk; until the new one is whole, the earlier one stays.

        Raises:
            OutputError: it cannot be written (no room, no permission).
        """
        if any(hasattr(p, "full_tensor") for p in self.model.parameters()):
            self._save_parts(folder, who)
        elif who.is_first:
            state = {
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.values,
            }
            with atomic_write(folder.checkpoint_path) as file, _no_room(folder.checkpoint_path):
                torch.save(state, file)
            _remove(folder.sharded_checkpoints())

    def load(self, folder: RunFolder) -> None:
        """Takes up the newest state on disk, if there is one.

        Raises:
            CheckpointError: it is damaged.
        """
        parts = folder.sharded_checkpoints()
        state = _read_file(folder.checkpoint_path) if folder.checkpoint_path.exists() else None
        # Both kinds are there only after a kill between writing the one and removing the other.
        if parts and (state is None or int(parts[-1].name[11:]) > state["step"]):
            self._load_parts(parts[-1])
        elif state is not None:
            self._take(state["step"], state["model"], state["optimizer"], state["average"])

    def _save_parts(self, folder: RunFolder, who: Processes) -> None:
        from torch.distributed.checkpoint.filesystem import FileSystemWriter
        from torch.distributed.checkpoint.state_dict_saver import save

        target = folder.sharded_checkpoint_path(self.step)
        temporary = folder.path / f".{target.name}.tmp"
        if who.is_first:  # what a kill left behind
            _remove(list(folder.path.glob(".checkpoint-*.tmp")))
        who.wait()
        error = None
        try:
            with _no_room(target):
                save(self._by_name(), storage_writer=FileSystemWriter(temporary))
        except OutputError as failure:
            error = str(failure)
        errors = [text for text in who.gather(error or "") if text]
        if errors:
            raise OutputError(errors[0])
        if who.is_first:
            _remove([target])
            rename_folder(temporary, target)
            _remove([p for p in folder.sharded_checkpoints() if p != target])
            folder.checkpoint_path.unlink(missing_ok=True)
        who.wait()

    def _load_parts(self, path: Path) -> None:
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.filesystem import FileSystemReader
        from torch.distributed.checkpoint.state_dict_loader import load

        reader = FileSystemReader(path)
        try:
            stored = reader.read_metadata().state_dict_metadata
            into = self._templates(set(stored))
            with warnings.catch_warnings():  # that one process reads alone is no accident
                warnings.simplefilter("ignore", UserWarning)
                load(into, storage_reader=reader, no_dist=not dist.is_initialized())
        except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
            raise _damaged(path, error) from None
        except CheckpointException as error:
            raise _damaged(path, next(iter(error.failures.values()))[0]) from None
        parts: dict[str, dict[str, Any]] = {"model": {}, "average": {}, "optimizer": {}}
        for key, value in into.items():
            kind, _, name = key.partition("/")
            if kind in parts:
                parts[kind][name] = value
        index = {name: i for i, name in enumerate(self._optimized_names())}
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in parts["optimizer"].items():
            what, _, name = key.partition("/")
            states.setdefault(index[name], {})[what] = value
        optimizer = {"state": states, "param_groups": self.optimizer.state_dict()["param_groups"]}
        self._take(int(into["step"]), parts["model"], optimizer, parts["average"])

    def _take(
        self,
        step: int,
        model: dict[str, Tensor],
        optimizer: dict[str, Any],
        average: dict[str, Tensor],
    ) -> None:
        """Whole tensors, or ones that are already split, become the state of the parts here."""
        self.step = step
        own = self.model.state_dict()
        parameters = dict(self.model.named_parameters())
        names = self._optimized_names()
        split = {name: _fitting(value, own[name]) for name, value in model.items()}
        self.model.load_state_dict(split)
        for i, values in optimizer["state"].items():
            like = parameters[names[i]]
            for key, value in values.items():
                values[key] = _fitting(value, like) if value.ndim else value
        # Rates and decays are the configuration's, not the file's.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer["state"], "param_groups": groups})
        self.average.values = {n: _fitting(v, parameters[n]) for n, v in average.items()}

    def _by_name(self) -> dict[str, Tensor]:
        """Everything as one flat mapping, which does not depend on the order of parameters."""
        flat = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        flat |= {f"average/{name}": value for name, value in self.average.values.items()}
        for name, parameter in zip(self._optimized_names(), self._optimized(), strict=True):
            for key, value in self.optimizer.state.get(parameter, {}).items():
                flat[f"optimizer/{key}/{name}"] = value
        return flat | {"step": torch.tensor(self.step)}

    def _templates(self, stored: set[str]) -> dict[str, Tensor]:
        """Tensors of the right shape, split as the model is, for the stored names."""
        parameters = dict(self.model.named_parameters())
        own = self.model.state_dict()
        into: dict[str, Tensor] = {"step": torch.tensor(0)}
        for key in stored - {"step"}:
            kind, _, name = key.partition("/")
            what = ""
            if kind == "optimizer":
                what, _, name = name.partition("/")
            like = own[name] if kind == "model" else parameters[name]
            into[key] = torch.tensor(0.0) if what == "step" else torch.empty_like(like.detach())
        return into

    def _optimized(self) -> Iterator[nn.Parameter]:
        for group in self.optimizer.param_groups:
            yield from group["params"]

    def _optimized_names(self) -> list[str]:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        return [names[parameter] for parameter in self._optimized()]


def skeleton_of(model: nn.Module) -> nn.Module:
    """A copy of the model whose parameters have shapes but no values, and take no memory."""
    bare = {
        id(p): nn.Parameter(p.detach().to("meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    return copy.deepcopy(model, bare)


def _fitting(value: Tensor, like: Tensor) -> Tensor:
    return value if hasattr(value, "full_tensor") else split_like(value, like.detach())


def _read_file(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _damaged(path, error) from None
    assert isinstance(state, dict)
    return state


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(f"{path} is damaged ({error}). Remove it to start anew.")


@contextmanager
def _no_room(path: Path) -> Iterator[None]:
    """Turns what a full disk or a forbidden folder makes torch raise into one line.

    torch reports a failed write as a RuntimeError of its own, or inside a CheckpointException.
    """
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except (CheckpointException, RuntimeError, OSError) as error:
        cause: BaseException | None = error
        if isinstance(error, CheckpointException):
            cause = next(iter(error.failures.values()))[0]
        elif isinstance(error, RuntimeError):
            cause = error.__context__
        if not isinstance(cause, OSError):
            raise
        reason = cause.strerror or cause
    else:
        return
    raise OutputError(
        f"{path} could not be written: {reason}. Make room; the checkpoint before is intact."
    )


def _remove(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
