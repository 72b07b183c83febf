"""Detectors from ONNX files; the only place of this layer that knows ONNX Runtime."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.dataset.privacy.detector_file import DetectorFile
from anymask.dataset.privacy.layouts import LAYOUTS
from anymask.dataset.privacy.regions import Region, merge_regions
from anymask.dataset.privacy.views import View, ViewConfig, iter_views

try:
    import onnx
    import onnxruntime
except ImportError:
    raise MissingExtraError("onnxruntime", "onnx") from None


class OnnxDetector:
    """A detector of one kind of region; safe to share between threads.

    Args:
        path: an .onnx file with one image as its input.
        description: how it is fed and read.
        name: what regions call their source.
        views: the scales and tiles in which it looks.
        num_threads: of one run; where images are spread over processes, one.

    Raises:
        CheckpointError: the file is missing or no graph that this runtime knows.
        InvalidInputError: the description names outputs that the file does not have.
    """

    def __init__(
        self,
        path: Path,
        description: DetectorFile,
        *,
        name: str,
        views: ViewConfig | None = None,
        num_threads: int = 1,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        try:
            model = _of_any_size(path) if description.any_size else path.read_bytes()
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own classes have no common parent but this
            raise CheckpointError(
                f"{path} is no detector that ONNX Runtime can load: {error}. Export it again."
            ) from error
        known = [output.name for output in self._session.get_outputs()]
        missing = [output for output in description.outputs if output not in known]
        if missing:
            raise InvalidInputError(
                f"outputs must be among {', '.join(known)}, got {', '.join(missing)}. "
                "Correct the description."
            )
        self.name = name
        self._description = description
        self._outputs = list(description.outputs or known)
        image = self._session.get_inputs()[0]
        self._input = image.name
        sides = [side if isinstance(side, int) else None for side in image.shape[-2:]]
        self._fixed_size = (sides[0], sides[1]) if sides[0] and sides[1] else None
        self._views = views or ViewConfig(tile_px=min(self._fixed_size or (description.view_px,)))

    def find(self, image: NDArray[np.uint8]) -> tuple[Region, ...]:
        """Return the regions of an image (H, W, 3) uint8 RGB, best first, inside the image.

        Raises:
            InvalidInputError: the file's outputs are not of its layout.
        """
        height, width = image.shape[:2]
        found: list[Region] = []
        for view in iter_views(image, self._views):
            boxes, scores = self._detect(view)
            inside = np.clip(view.to_image(boxes), 0, (width, height, width, height))
            for (x0, y0, x1, y1), score in zip(inside.tolist(), scores.tolist(), strict=True):
                if x0 < x1 and y0 < y1:
                    found.append(
                        Region(
                            box=(x0, y0, x1, y1),
                            kind=self._description.kind,
                            score=min(1.0, score),
                            source=self.name,
                        )
                    )
        return merge_regions(found, self._description.kind)

    def _detect(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The boxes (N, 4) of a view in its pixels, and their scores (N,)."""
        file = self._description
        height, width = view.pixels.shape[:2]
        size = self._fixed_size or (_filled(height, file.multiple), _filled(width, file.multiple))
        pixels = view.pixels[..., ::-1] if file.channels == "bgr" else view.pixels
        values = np.zeros((3, *size), np.float32)
        normal = (pixels - np.array(file.mean, np.float32)) * np.float32(file.scale)
        values[:, :height, :width] = normal.transpose(2, 0, 1)
        fed = values[None] if file.has_batch else values
        answers = self._session.run(self._outputs, {self._input: fed})
        return LAYOUTS[file.layout](answers, size, file.score_thresh)


def _filled(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _of_any_size(path: Path) -> bytes:
    """The file with names for the sizes of inputs and outputs, so that any size is taken."""
    model = onnx.load(str(path))
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        for axis in range(len(dimensions)):
            if axis != 1:  # channels stay
                dimensions[axis].dim_param = f"{value.name}_{axis}"
    serialized: bytes = model.SerializeToString()
    return serialized
