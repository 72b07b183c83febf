"""The reference package's names over this package's parts: only the import line must change."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.core.geometry import xyxy_to_xywh
from anymask.core.image_io import to_rgb_array
from anymask.core.rle import Rle
from anymask.inference.decoding import DecodableImage, prepare_decoding
from anymask.inference.devices import check_weights
from anymask.inference.generator import MaskGenerator
from anymask.inference.longest_side import ResizeLongestSide
from anymask.inference.predictor import Predictor
from anymask.inference.reference_sam import answer_prompts, pack_scaled_prompts
from anymask.model.features import ImageFeatures
from anymask.model.sam import Sam

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]
_OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class NoImageError(AnymaskError, RuntimeError):
    """A mask or an embedding was asked for before an image was set."""

    def __init__(self) -> None:
        super().__init__("an image must be set first, got none. Call set_image(image).")


class SamPredictor:
    """The reference's predictor: it holds one image, set by `set_image`, and answers prompts."""

    def __init__(self, sam_model: Sam) -> None:
        check_weights(sam_model.image_encoder, torch.float32)
        self.model = sam_model
        self.transform = ResizeLongestSide(sam_model.config.image_size)
        self.reset_image()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.pixel_mean.device

    @property
    def features(self) -> Tensor | None:
        """The image embedding (1, D, h, w), or None without an image."""
        return None if self._features is None else self._features.image_embeddings

    def reset_image(self) -> None:
        """Forget the image."""
        self.is_image_set = False
        self._features: ImageFeatures | None = None
        self._decodable: DecodableImage | None = None
        self.original_size: tuple[int, int] | None = None
        self.input_size: tuple[int, int] | None = None

    def set_image(self, image: NDArray[np.uint8], image_format: str = "RGB") -> None:
        """Embed an image (H, W, 3) uint8 in RGB or BGR order.

        Raises:
            InvalidInputError: another image_format, shape or dtype.
        """
        if image_format not in ("RGB", "BGR"):
            raise InvalidInputError(
                f"image_format must be RGB or BGR, got {image_format!r}. Choose one."
            )
        pixels = to_rgb_array(image[..., ::-1] if image_format == "BGR" else image)
        scaled = torch.as_tensor(self.transform.apply_image(pixels), device=self.device)
        self.set_torch_image(scaled.permute(2, 0, 1)[None], (pixels.shape[0], pixels.shape[1]))

    @torch.no_grad()
    def set_torch_image(
        self, transformed_image: Tensor, original_image_size: tuple[int, ...]
    ) -> None:
        """Embed an image (1, 3, height, width) of 0..255 that `transform` scaled.

        Raises:
            InvalidInputError: another shape, or its longest side is not the model's.
        """
        shape, side = tuple(transformed_image.shape), self.transform.target_length
        if len(shape) != 4 or shape[:2] != (1, 3) or max(shape[2:]) != side:
            raise InvalidInputError(
                f"transformed_image must be (1, 3, height, width) with longest side {side}, got "
                f"{shape}. Use transform.apply_image."
            )
        self.reset_image()
        self.original_size = (int(original_image_size[0]), int(original_image_size[1]))
        self.input_size = (shape[2], shape[3])
        self._features = self.model.encode_images(self.model.preprocess(list(transformed_image)))
        self.is_image_set = True

    def get_image_embedding(self) -> Tensor:
        """Return the image embedding (1, D, h, w); NoImageError without an image."""
        if self._features is None:
            raise NoImageError
        return self._features.image_embeddings

    def predict(
        self,
        point_coords: NDArray[np.generic] | None = None,
        point_labels: NDArray[np.generic] | None = None,
        box: NDArray[np.generic] | None = None,
        mask_input: NDArray[np.generic] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
        """Return masks (M, H, W), their predicted IoU (M,), and low-resolution logits (M, h, w).

        Args:
            point_coords: (N, 2) xy pixels of the image.
            point_labels: (N,) 1 foreground, 0 background.
            box: (4,) xyxy pixels.
            mask_input: (1, h, w) logits of an earlier prediction.
            multimask_output: three masks instead of one.
            return_logits: the masks as float logits instead of bool.

        Raises:
            NoImageError: no image is set.
            InvalidInputError: points without labels.
        """
        if self.original_size is None:
            raise NoImageError
        coords, labels, boxes, masks_in = None, None, None, None
        if point_coords is not None:
            if point_labels is None:
                raise InvalidInputError(
                    "point_labels must come with point_coords, got none. Pass one label a point."
                )
            scaled = self.transform.apply_coords(point_coords, self.original_size)
            coords = torch.as_tensor(scaled, dtype=torch.float, device=self.device)[None]
            labels = torch.as_tensor(point_labels, dtype=torch.int, device=self.device)[None]
        if box is not None:
            scaled = self.transform.apply_boxes(box, self.original_size)
            boxes = torch.as_tensor(scaled, dtype=torch.float, device=self.device)
        if mask_input is not None:
            masks_in = torch.as_tensor(mask_input, dtype=torch.float, device=self.device)[None]
        answer = self.predict_torch(
            coords, labels, boxes, masks_in, multimask_output, return_logits=return_logits
        )
        masks, ious, low_res = (tensor[0].cpu().numpy() for tensor in answer)
        return masks, ious, low_res

    @torch.no_grad()
    def predict_torch(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return masks (P, M, H, W), IoU (P, M), logits (P, M, h, w) of P prompts.

        Args:
            point_coords: (P, N, 2) xy, scaled by `transform`.
            point_labels: (P, N).
            boxes: (P, 4) xyxy, scaled by `transform`.
            mask_input: (P, 1, h, w).
            multimask_output: three masks instead of one.
            return_logits: the masks as float logits instead of bool.

        Raises:
            NoImageError: no image is set.
        """
        if self._features is None or self.original_size is None:
            raise NoImageError
        if self._decodable is None:
            self._decodable = prepare_decoding(self.model, self._features, torch.float32)
        prompts = pack_scaled_prompts(point_coords, point_labels, boxes, mask_input, self.device)
        return answer_prompts(
            self.model,
            self._decodable,
            self.original_size,
            prompts,
            multimask_output,
            return_logits=return_logits,
        )


class SamAutomaticMaskGenerator:
    """The reference's generator: its parameter names, and dictionaries with its keys.

    Three faults of the reference are not repeated: boxes and `bbox` hold whole pixels (its are one
    short in width and height), empty masks are dropped (their stability is NaN there), and holes
    are joined over sides only.
    """

    def __init__(
        self,
        model: Sam,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float | None = None,  # the model's: 0.88 for the official ones
        stability_score_thresh: float | None = None,  # the model's: 0.95 for the official ones
        stability_score_offset: float | None = None,  # the model's: 1 for the official ones
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[NDArray[np.floating[Any]]] | None = None,
        min_mask_region_area: int = 0,
        output_mode: OutputMode = "binary_mask",
    ) -> None:
        if (points_per_side is None) == (point_grids is None):
            raise InvalidInputError(
                "points_per_side or point_grids must be given, got "
                f"{'neither' if point_grids is None else 'both'}. Set the other to None."
            )
        if output_mode not in _OUTPUT_MODES:
            raise InvalidInputError(
                f"output_mode must be one of {', '.join(_OUTPUT_MODES)}, got {output_mode!r}."
                " Choose one."
            )
        self.predictor = SamPredictor(model)
        self.output_mode = output_mode
        self._generator = MaskGenerator(
            Predictor(model, "facade", self.predictor.device, "float32"),
            points_per_batch=points_per_batch,
            points_per_side=points_per_side or 1,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            box_nms_thresh=box_nms_thresh,
            crop_num_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_points_downscale_factor=crop_n_points_downscale_factor,
            min_mask_region_area=min_mask_region_area,
            max_mask_area_fraction=1.0,
            grids=point_grids,
            full_size_decisions=True,
        )

    def generate(self, image: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Return a dictionary for each mask of an image (H, W, 3) uint8, best IoU first."""
        found = self._generator.find(to_rgb_array(image))
        return [
            {
                "segmentation": self._encode(rle),
                "area": rle.area,
                "bbox": xyxy_to_xywh(found.boxes[i]).tolist(),
                "predicted_iou": float(found.iou_predictions[i]),
                "point_coords": [found.point_coords[i].tolist()],
                "stability_score": float(found.stability_scores[i]),
                "crop_box": [int(side) for side in xyxy_to_xywh(found.crop_boxes[i])],
            }
            for i, rle in enumerate(found.masks)
        ]

    def _encode(self, rle: Rle) -> NDArray[np.bool_] | dict[str, Any]:
        if self.output_mode == "binary_mask":
            return rle.to_mask()
        return rle.to_coco() if self.output_mode == "coco_rle" else rle.to_coco_uncompressed()
