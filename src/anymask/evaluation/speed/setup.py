"""What is timed: a model, a photograph and the contenders by name, buildable in any process."""

import copy
import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, UnknownNameError
from anymask.core.image_io import read_image
from anymask.evaluation.speed.contenders import (
    REFERENCE,
    Contender,
    anymask_contender,
    segment_anything_contender,
    transformers_contender,
)
from anymask.evaluation.speed.reference_package import randomise
from anymask.inference.devices import EncoderDtype, select_device, select_placement
from anymask.inference.export import Runtime, export_model
from anymask.inference.exported import find_export, load_exported
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.config import VitConfig
from anymask.model.precision import store_weights
from anymask.model.presets import preset
from anymask.model.sam import Sam

_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A comparison, plain values only.

    Attributes:
        model: a known name or a checkpoint's path; None is the default model. With random weights
            the name of a model's structure.
        random_weights: times do not depend on the weights, so none need be downloaded.
        photo: a path; None draws a picture with shapes and noise.
        photo_size: (H, W) of the drawn one.
        device: as `Predictor` takes it.
        points_per_side: of the generator.
        num_clicks: decoded together.
        exported: folders of `anymask export`; each competes under its own name.
    """

    model: str | None = None
    random_weights: bool = False
    photo: str | None = None
    photo_size: tuple[int, int] = (1200, 1800)
    device: str = "auto"
    points_per_side: int = 32
    num_clicks: int = 64
    exported: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line, for another process."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Setup":
        """What `to_json` wrote."""
        fields = json.loads(text)
        pairs = {name: tuple(fields[name]) for name in ("photo_size", "exported")}
        return cls(**{**fields, **pairs})

    @cached_property
    def loaded(self) -> tuple[Sam, str]:
        """The model and its id.

        Raises:
            CheckpointError: it cannot be loaded.
            UnknownNameError: no model structure of that name.
        """
        if self.random_weights:
            return _random_sam(self.model or "vit_b"), f"{self.model or 'vit_b'}-random"
        return load_sam(self.model)

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """The photograph (H, W, 3).

        Raises:
            ImageReadError: it cannot be read.
        """
        return _drawn(self.photo_size) if self.photo is None else read_image(self.photo)

    def clicks(self) -> NDArray[np.float64]:
        """(num_clicks, 2) xy pixels, spread over the photograph; the same ones each time."""
        H, W = self.image.shape[:2]
        return np.random.default_rng(_SEED).uniform((0, 0), (W, H), (self.num_clicks, 2))

    def contender_names(self) -> tuple[str, ...]:
        """Those that this model and what is installed allow, ours first.

        "anymask compiled" is left out, as it takes minutes to build.
        """
        sam, _ = self.loaded
        names = [*_OURS, *self._files]
        if isinstance(sam.config.image_encoder, VitConfig):
            names += [name for name, (package, _) in _PEERS.items() if find_spec(package)]
        return tuple(names)

    def with_exports(self, runtimes: Sequence[Runtime], folder: Path) -> "Setup":
        """The same with this model exported for these runtimes, to folders of their names.

        Raises:
            ExportError: a file answers otherwise than torch.
            MissingExtraError: a runtime is not installed.
            OutputError: the folder cannot be written.
        """
        for runtime in runtimes:
            target = folder / runtime
            export_model(*self.loaded, target, runtime, parts=("encoder", "decoder"))
        added = tuple(str(folder / runtime) for runtime in runtimes)
        return dataclasses.replace(self, exported=self.exported + added)

    @property
    def _files(self) -> dict[str, tuple[Path, Path, EncoderDtype]]:
        """Encoder, decoder and dtype of the encoder, by the contender's name.

        Raises:
            CheckpointError: a folder holds no export.
        """
        found: dict[str, tuple[Path, Path, EncoderDtype]] = {}
        for folder in self.exported:
            files = find_export(folder)
            if files is None:
                raise CheckpointError(
                    f"exported must be folders of anymask export, got {folder}. Export there first."
                )
            name = Path(folder).name
            if files[0].suffix == ".onnx":
                found[name] = (*files, "float32")
                continue
            found[f"{name} float32"] = (*files, "float32")
            if select_placement("cpu", "auto").dtype == torch.bfloat16:
                found[f"{name} bfloat16"] = (*files, "bfloat16")
        return found

    def build(self, name: str) -> Contender:
        """The contender of that name.

        Raises:
            CheckpointError: an exported file cannot be loaded.
            UnknownNameError: there is none; the text lists them.
            MissingExtraError: its package is not installed.
            InvalidInputError: it cannot take the model.
        """
        if name == _COMPILED:
            return _ours(self, name, "auto", compile=True)
        if name in _OURS:
            return _OURS[name](self)
        if name in _PEERS:
            return _PEERS[name][1](self)
        files = self._files
        if name in files:
            return anymask_contender(load_exported(*files[name]), name, self.generator_options)
        raise UnknownNameError("contender", name, (*_OURS, _COMPILED, *files, *_PEERS))

    @property
    def generator_options(self) -> dict[str, Any]:
        """Of all generators: what the reference calls by the same names."""
        return {"points_per_side": self.points_per_side}


def _ours(setup: Setup, name: str, dtype: EncoderDtype, *, compile: bool = False) -> Contender:
    sam, model_id = setup.loaded
    own = copy.deepcopy(sam)  # the others need the weights as they are
    store_weights(own.image_encoder, select_placement(setup.device, dtype).dtype)
    predictor = Predictor(own, model_id, setup.device, dtype, compile=compile)
    return anymask_contender(predictor, name, setup.generator_options)


def _segment_anything(setup: Setup) -> Contender:
    device = select_device(setup.device)
    return segment_anything_contender(setup.loaded[0], device, setup.generator_options)


def _transformers(setup: Setup) -> Contender:
    return transformers_contender(setup.loaded[0], select_device(setup.device))


_OURS: dict[str, Callable[[Setup], Contender]] = {
    "anymask": partial(_ours, name="anymask", dtype="auto"),
    "anymask float32": partial(_ours, name="anymask float32", dtype="float32"),
}
# Built only where it is asked for.
_COMPILED = "anymask compiled"
# Name to the package it needs, and how to build it.
_PEERS: dict[str, tuple[str, Callable[[Setup], Contender]]] = {
    REFERENCE: ("segment_anything", _segment_anything),
    "transformers": ("transformers", _transformers),
}


def _random_sam(name: str) -> Sam:
    """A model whose parameters that start as zeros or ones are random too: none is without work."""
    sam = build_sam(preset(name), seed=_SEED)
    randomise(sam, _SEED, spread=0.02)
    return sam.eval()


def _drawn(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of coloured discs under fine noise."""
    H, W = size
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[:H, :W]
    picture = np.full((H, W, 3), 110.0)
    for _ in range(40):
        radius = rng.uniform(0.02, 0.15) * min(H, W)
        inside = (x - rng.uniform(0, W)) ** 2 + (y - rng.uniform(0, H)) ** 2 < radius**2
        picture[inside] = rng.uniform(0, 255, 3)
    noisy = picture + rng.normal(0, 8, picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)
