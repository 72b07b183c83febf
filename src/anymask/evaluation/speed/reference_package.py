"""The reference package and its network, also where torchvision is missing or does not load.

Of torchvision it needs five functions. Short ones stand in for them while it is imported, so that
it can be compared with on any machine.
"""

import importlib
import importlib.util
import sys
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from anymask.core.errors import MissingExtraError
from anymask.model.checkpoint_layouts import to_official
from anymask.model.config import SamConfig, VitConfig
from anymask.model.sam import Sam


def import_segment_anything() -> ModuleType | None:
    """The package `segment_anything`, or None when it is not installed."""
    if importlib.util.find_spec("segment_anything") is None:
        return None
    try:
        importlib.import_module("torchvision.ops")
    except (ImportError, RuntimeError):  # a build for another torch fails as it registers its ops
        return _import_with_stand_ins()
    return importlib.import_module("segment_anything")


def build_reference(package: ModuleType, config: SamConfig) -> Any:
    """The package's `Sam` of that configuration, with random weights, in evaluation mode.

    Args:
        package: from `import_segment_anything`.
        config: of the paper's structure, of any size.
    """
    modeling, encoder = package.modeling, config.image_encoder
    assert isinstance(encoder, VitConfig), "the reference has no other encoder"
    grid = config.grid_size
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=config.image_size,
            patch_size=encoder.patch_size,
            embed_dim=encoder.width,
            depth=encoder.depth,
            num_heads=encoder.num_heads,
            mlp_ratio=encoder.mlp_ratio,
            out_chans=config.embed_dim,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=encoder.window_size,
            global_attn_indexes=encoder.global_blocks,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=config.embed_dim,
            image_embedding_size=(grid, grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_prompt_channels,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=config.num_multimask_outputs,
            transformer=modeling.TwoWayTransformer(
                depth=config.decoder_depth,
                embedding_dim=config.embed_dim,
                num_heads=config.decoder_num_heads,
                mlp_dim=config.decoder_mlp_dim,
                attention_downsample_rate=config.decoder_attention_downsample,
            ),
            transformer_dim=config.embed_dim,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_dim,
        ),
        pixel_mean=config.pixel_mean,
        pixel_std=config.pixel_std,
    ).eval()


def load_reference(sam: Sam) -> tuple[ModuleType, Any]:
    """The package, and its `Sam` with the weights of ours.

    Raises:
        MissingExtraError: it is not installed.
    """
    package = import_segment_anything()
    if package is None:
        raise MissingExtraError("segment_anything", "dev")
    model = build_reference(package, sam.config)
    model.load_state_dict(to_official(sam.state_dict()), assign=True)  # no second copy
    return package, model


def randomise(model: nn.Module, seed: int, spread: float) -> None:
    """Moves every parameter that starts as zeros or ones, so that none is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(spread * torch.randn(parameter.shape, generator=generator))


def _import_with_stand_ins() -> ModuleType:
    stand_ins = _modules()
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_torchvision(name)}
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("segment_anything")
    finally:
        # The package holds the functions now; others must not take these for the real thing.
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(hidden)


def _is_torchvision(name: str) -> bool:
    return name == "torchvision" or name.startswith("torchvision.")


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image at size (height, width), bilinear with antialiasing."""
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def to_pil_image(array: NDArray[np.uint8]) -> Image.Image:
    """A Pillow image of (H, W, 3)."""
    return Image.fromarray(array)


def box_area(boxes: Tensor) -> Tensor:
    """(N,) areas of xyxy boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that survive greedy suppression, best score first.

    Not `core.geometry`'s: a comparison must not share what it compares.
    """
    areas = box_area(boxes)
    order = scores.sort(descending=True, stable=True).indices
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = (high - low).clamp(min=0).prod(dim=1)
        iou = overlap / (areas[best] + areas[rest] - overlap)
        order = rest[~(iou > iou_threshold)]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """What `nms` keeps when boxes of different `idxs` never suppress each other."""
    if not boxes.numel():
        return torch.empty(0, dtype=torch.int64)
    offsets = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def _modules() -> dict[str, ModuleType]:
    contents: dict[str, dict[str, object]] = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"nms": nms, "batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    modules = {}
    for name, functions in contents.items():
        modules[name] = ModuleType(name)
        modules[name].__dict__.update(functions)
    return modules
