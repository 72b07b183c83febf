"""A detector of objects as an objective: boxes, on the kept features of a frozen model (Sec. 4)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anymask.core.detection_scores import hits_of, rank_answers
from anymask.core.geometry import box_iou, non_max_suppression
from anymask.inference.devices import select_placement
from anymask.model.checkpoints import load_sam
from anymask.model.features import ImageFeatures
from anymask.model.object_detector import ObjectDetector, save_detector, shape_for
from anymask.model.precision import products_in
from anymask.model.sam import Sam
from anymask.training.detector_config import DetectorConfig
from anymask.training.detector_views import BoxView, cut_box_view
from anymask.training.encoding import encode_batch
from anymask.training.examples import ImageCache, read_examples
from anymask.training.loop import train
from anymask.training.run_folder import RunFolder
from anymask.training.share import Share

ViewKey = tuple[int, int]
"""Which example, and which of its views."""

DUPLICATE_IOU = 0.6
"""Of two boxes that overlap more, the better one stays."""

_MAX_KEPT_BYTES = 2 << 30
_FOUND_IOU = 0.5


class _SeenView:
    """The float16 features of a view, and its boxes (N, 4)."""

    def __init__(self, features: ImageFeatures, boxes: Tensor) -> None:
        self.features = features.map(lambda x: x.to("cpu", torch.float16).clone())
        self.boxes = boxes

    @property
    def num_bytes(self) -> int:
        f = self.features
        return sum(x.nbytes for x in (f.image_embeddings, f.stride8) if x is not None)


class DetectorOnModel(nn.Module):
    """A detector, and the frozen model whose features it reads."""

    def __init__(self, sam: Sam, detector: ObjectDetector) -> None:
        super().__init__()
        self.sam = sam.requires_grad_(False)
        self.detector = detector

    def train(self, mode: bool = True) -> "DetectorOnModel":
        """The detector's mode; the model stays as it is in use."""
        super().train(mode)
        self.sam.eval()
        return self


class DetectorObjective:
    """Teaches a detector; see `anymask.training.objective.Objective` for its methods.

    Objects that the data do not show count as background. The library's varifocal loss bears with
    some of that: what is thought to be no object but looks like one weighs little.

    Args:
        config: the run.
        data_folders: sets, or folders of sets.
        init: the model, by name or path.
    """

    may_change = ("validate_every", "checkpoint_every")

    def __init__(
        self, config: DetectorConfig, data_folders: Sequence[str | Path], init: str | None
    ) -> None:
        self.config = config
        examples, self.held_out = read_examples(
            data_folders, validation_fraction=config.validation_fraction, set_weights={}
        )
        self._examples = examples.examples
        self._init = init
        self._seen: dict[ViewKey, _SeenView] = {}
        self._free_bytes = _MAX_KEPT_BYTES
        self._model_id = ""

    def build_model(self) -> DetectorOnModel:
        """The model as it is, and a fresh detector, the same for the same seed."""
        sam, self._model_id = load_sam(self._init)
        self._cache = ImageCache(longest_side=2 * sam.config.image_size)
        shape = shape_for(
            sam.config,
            width=self.config.width,
            num_queries=self.config.num_queries,
            decoder_layers=self.config.decoder_layers,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return DetectorOnModel(sam, ObjectDetector(shape))

    def batches(self, first_step: int, share: Share) -> Generator[list[ViewKey]]:
        """Which views this share's rows are of; they are cut when they are first seen."""
        for step in range(first_step, self.config.num_steps):
            rng = np.random.default_rng([self.config.seed, step])
            examples = rng.integers(len(self._examples), size=self.config.batch_size)
            views = rng.integers(self.config.views_per_image, size=self.config.batch_size)
            keys = list(zip(examples.tolist(), views.tolist(), strict=True))
            yield [keys[row] for row in share.rows(self.config.batch_size)]

    def losses(
        self, model: nn.Module, batch: list[ViewKey], step: int, share: Share
    ) -> dict[str, Tensor]:
        """The detector's loss."""
        assert isinstance(model, DetectorOnModel)
        features, boxes = self._see(model.sam, batch)
        return {"loss": model.detector.loss(features, boxes)}

    def describe(self, batch: list[ViewKey], losses: Mapping[str, Tensor]) -> str:
        """The images of the batch."""
        return ", ".join(self._examples[example].label for example, _ in batch)

    def sizes(self, batch: list[ViewKey]) -> dict[str, int]:
        """Images and boxes of a batch, which has been seen."""
        return {"num_images": len(batch)}

    @torch.no_grad()
    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> dict[str, float]:
        """Of the boxes of held-out images: "ap50", average precision, and "recall50" of them all.

        A box is found by one that overlaps it by an IoU of .5.
        """
        assert isinstance(model, DetectorOnModel)
        scores: list[float] = []
        hits: list[bool] = []
        num_targets = 0
        S = model.sam.config.image_size
        for example in self.held_out:
            rng = np.random.default_rng(0)
            view = cut_box_view(example, self._cache, self.config, S, 0, rng)
            found = model.detector(_encoded(model.sam, [view]))
            boxes, confidences = found.boxes[0].cpu().numpy(), found.scores[0].cpu().numpy()
            kept = non_max_suppression(boxes, confidences, DUPLICATE_IOU)
            scores += confidences[kept].tolist()
            hits += hits_of(box_iou(boxes[kept], view.boxes.numpy()), _FOUND_IOU)
            num_targets += len(view.boxes)
        if not num_targets:
            return {}
        ranked = rank_answers(scores, hits, num_targets)
        return {"ap50": ranked.average_precision, "recall50": float(ranked.recall[-1])}

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """The detector alone, which names its model."""
        assert isinstance(model, DetectorOnModel)
        save_detector(model.detector, path, self._model_id)

    def _see(self, sam: Sam, keys: Sequence[ViewKey]) -> tuple[ImageFeatures, list[Tensor]]:
        """The features (B = len(keys)) and boxes of views, those that are new encoded together."""
        new = [key for key in dict.fromkeys(keys) if key not in self._seen]
        views = [self._cut(key, sam.config.image_size) for key in new]
        found: dict[ViewKey, _SeenView] = {}
        if new:
            features = _encoded(sam, views)
            for i, (key, view) in enumerate(zip(new, views, strict=True)):
                found[key] = _SeenView(_row(features, i), view.boxes)
        seen = [found[key] if key in found else self._seen[key] for key in keys]
        for key, kept in found.items():
            if kept.num_bytes <= self._free_bytes:
                self._seen[key] = kept
                self._free_bytes -= kept.num_bytes
        device = sam.pixel_mean.device
        stacked = _stack([one.features for one in seen]).map(lambda x: x.to(device).float())
        return stacked, [one.boxes.to(device) for one in seen]

    def _cut(self, key: ViewKey, image_size: int) -> BoxView:
        rng = np.random.default_rng([self.config.seed, *key])
        example, number = key
        return cut_box_view(
            self._examples[example], self._cache, self.config, image_size, number, rng
        )


def train_detector(
    data: Path | Sequence[Path],
    init: str | None,
    out: Path,
    config: DetectorConfig,
    *,
    device: str = "cpu",
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
) -> Path:
    """Train a detector on labelled images, or what is left of that run, and return its weights.

    Args:
        data: a set, a folder of sets, or several.
        init: the model whose features it reads, by name or path; None for the default one.
        out: the run folder.
        config: of the run.
        device: torch device.
        on_row: called with each row of the log.

    Raises:
        InvalidInputError: no labelled images, or a run with other settings in `out`.
        MissingExtraError: transformers is not installed.
    """
    folders = [data] if isinstance(data, Path) else list(data)
    objective = DetectorObjective(config, folders, init)
    return train(objective, out, device=device, on_row=on_row).weights_path


@torch.no_grad()
def _encoded(sam: Sam, views: Sequence[BoxView]) -> ImageFeatures:
    """The features of views, in the precision in which the model will be used."""
    device = sam.pixel_mean.device
    with products_in(select_placement(device, "auto").dtype, device):
        features = encode_batch(sam, torch.stack([view.pixels for view in views]))
    return features.map(lambda x: x.float())


def _row(features: ImageFeatures, index: int) -> ImageFeatures:
    return features.map(lambda x: x[index : index + 1])


def _stack(rows: Sequence[ImageFeatures]) -> ImageFeatures:
    high = [row.stride8 for row in rows if row.stride8 is not None]
    return ImageFeatures(
        image_embeddings=torch.cat([row.image_embeddings for row in rows]),
        stride8=torch.cat(high) if high else None,
    )
