"""Boxes of objects, whatever they are, read off the features of a frozen model (Sec. 4).

The paper trains Faster R-CNN with one class, "object", on the masks of stage 1. Here it is
RT-DETR's head (Zhao et al. 2024; Lv et al. 2024) as transformers has it: selection of queries,
decoder, denoising, matching and losses are the library's. Its backbone and encoder go: the model
has embedded the photo already, and its features are a pyramid. So a photo's boxes cost one small
decoder more, and a few hundred photos can teach it.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.core.errors import CheckpointError, InvalidInputError, MissingExtraError
from anymask.core.files import write_bytes
from anymask.model.checkpoint_files import read_checkpoint_file
from anymask.model.checkpoints import pack_safetensors
from anymask.model.config import SamConfig
from anymask.model.features import ImageFeatures
from anymask.model.layers import LayerNorm2d

_SHAPE_FIELD = "anymask_detector"
_MODEL_FIELD = "anymask_detector_of"
_NUM_LEVELS = 3  # strides 8, 16 and 32; 16, 32 and 64 without features at stride 8
_NUM_DENOISING = 100  # noisy copies of targets that the decoder learns to put right
_COUNTER = "num_batches_tracked"  # of batch norms: the one kind of whole numbers


@dataclass(frozen=True, kw_only=True)
class DetectorShape:
    """What a detector's weights are made for.

    Attributes:
        embed_dim: D of the features.
        has_high_res: whether there are features at stride 8.
        width: of the detector, a multiple of 8.
        num_queries: boxes that it gives for a photo, before any is dropped.
        decoder_layers: 2 or more.
        num_heads: of attention.
    """

    embed_dim: int
    has_high_res: bool
    width: int = 128
    num_queries: int = 100
    decoder_layers: int = 2
    num_heads: int = 4

    def __post_init__(self) -> None:
        if self.decoder_layers < 2:  # the library ties the layers' heads to each other
            raise InvalidInputError(
                f"decoder_layers must be at least 2, got {self.decoder_layers}. Raise it."
            )
        if self.width % 8 or self.width % self.num_heads:
            raise InvalidInputError(
                f"width must be a multiple of 8 and of num_heads, got {self.width} and "
                f"{self.num_heads}. Try 128 and 4."
            )


def shape_for(config: SamConfig, **sizes: int) -> DetectorShape:
    """The shape of a detector on that model's features; `sizes` are its other fields."""
    return DetectorShape(embed_dim=config.embed_dim, has_high_res=config.high_res_features, **sizes)


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectedObjects:
    """The boxes of B images; Q is `DetectorShape.num_queries`.

    Attributes:
        boxes: (B, Q, 4) float32 xyxy, as fractions of the model's square.
        scores: (B, Q) float32 in [0, 1].
    """

    boxes: Tensor
    scores: Tensor


class ObjectDetector(nn.Module):
    """The head of that shape, with random weights.

    Raises:
        MissingExtraError: transformers is not installed.
    """

    def __init__(self, shape: DetectorShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.from_stride16 = nn.Conv2d(shape.embed_dim, width, 1)
        self.from_stride8 = (
            nn.Conv2d(shape.embed_dim // 4, width, 1) if shape.has_high_res else None
        )
        self.halve = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride=2, padding=1)
            for _ in range(_NUM_LEVELS - (2 if shape.has_high_res else 1))
        )
        self.norms = nn.ModuleList(LayerNorm2d(width) for _ in range(_NUM_LEVELS))
        self.head = _head(shape)

    def forward(self, features: ImageFeatures) -> DetectedObjects:
        """The boxes of images, best or not; see `DetectedObjects`."""
        answer = self._ask(features)
        centre, size = answer.pred_boxes[..., :2], answer.pred_boxes[..., 2:]
        corners = torch.cat([centre - size / 2, centre + size / 2], dim=-1)
        return DetectedObjects(boxes=corners, scores=answer.logits[..., 0].sigmoid())

    def loss(self, features: ImageFeatures, boxes: Sequence[Tensor]) -> Tensor:
        """The library's loss: varifocal for scores, L1 and GIoU for boxes, in every layer.

        Args:
            features: of B images.
            boxes: (N, 4) float xyxy of each, as fractions of the model's square.
        """
        labels = [_label(own) for own in boxes]
        loss = self._ask(features, labels).loss
        assert isinstance(loss, Tensor)
        return loss

    def _ask(self, features: ImageFeatures, labels: list[dict[str, Tensor]] | None = None) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        x = self.from_stride16(features.image_embeddings)
        levels = [x]
        if self.from_stride8 is not None:
            assert features.stride8 is not None
            fine = self.from_stride8(features.stride8)
            levels.insert(0, fine + F.interpolate(x, size=fine.shape[-2:], mode="nearest"))
        for halve in self.halve:
            levels.append(halve(levels[-1]))
        levels = [norm(level) for norm, level in zip(self.norms, levels, strict=True)]
        # With the encoder's answer given, the head asks neither backbone nor encoder; of
        # `inputs_embeds` it then takes no more than the number of images.
        pyramid = BaseModelOutput(last_hidden_state=levels)  # type: ignore[arg-type]
        return self.head(None, inputs_embeds=x, encoder_outputs=pyramid, labels=labels)


def save_detector(detector: ObjectDetector, path: Path, model_id: str) -> None:
    """Writes a detector and which model's features it reads; OutputError says why not."""
    fields = {_SHAPE_FIELD: json.dumps(asdict(detector.shape)), _MODEL_FIELD: model_id}
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in detector.state_dict().items()
    }
    write_bytes(path, pack_safetensors(tensors, fields))


def load_detector(path: str | os.PathLike[str]) -> tuple[ObjectDetector, str]:
    """A detector in evaluation mode on the CPU, and the id of the model whose features it reads.

    Raises:
        CheckpointError: the file is missing, damaged, or no detector.
        MissingExtraError: transformers is not installed.
    """
    file = read_checkpoint_file(Path(path))
    try:
        shape = DetectorShape(**json.loads(file.metadata[_SHAPE_FIELD]))
        with torch.random.fork_rng(devices=()):  # first values are drawn, nobody else's numbers
            detector = ObjectDetector(shape)
        counters = [name for name in detector.state_dict() if name.endswith(_COUNTER)]
        file.tensors.update((name, file.tensors[name].long()) for name in counters)
        detector.load_state_dict(file.tensors)
        model_id = file.metadata[_MODEL_FIELD]
    except (KeyError, ValueError, TypeError, RuntimeError):
        raise CheckpointError(
            f"{os.fspath(path)} must hold a detector of objects, got something else. "
            "Let the engine train one."
        ) from None
    return detector.eval().requires_grad_(False), model_id


def _label(boxes: Tensor) -> dict[str, Tensor]:
    """Targets as the library has them: (N,) classes, all 0, and (N, 4) boxes by centre and size."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return {
        "class_labels": torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device),
        "boxes": torch.cat([(low + high) / 2, high - low], dim=1),
    }


def _head(shape: DetectorShape) -> nn.Module:
    """The library's network without what the features make needless."""
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("transformers", "text") from None
    width = shape.width
    levels = [width] * _NUM_LEVELS
    library: Any = transformers  # its signatures are not typed
    # It cannot be made without a backbone: this one, the smallest, is thrown away.
    backbone = library.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_indices=[2, 3, 4],
    )
    head: Any = library.RTDetrV2ForObjectDetection(
        library.RTDetrV2Config(
            backbone_config=backbone,
            num_labels=1,
            d_model=width,
            encoder_hidden_dim=width,
            encoder_in_channels=levels,
            decoder_in_channels=levels,
            decoder_ffn_dim=2 * width,
            decoder_layers=shape.decoder_layers,
            decoder_attention_heads=shape.num_heads,
            num_queries=shape.num_queries,
            num_denoising=_NUM_DENOISING,
        )
    )
    del head.model.backbone, head.model.encoder_input_proj, head.model.encoder
    del head.class_embed, head.bbox_embed  # the decoder has them, too, and it alone asks them
    assert isinstance(head, nn.Module)
    return head
