"""Write the decoder graphs that bench.mjs times, the reference's export first.

    python make_graphs.py GRAPHS_DIR

Official layout: the same random weights in `segment_anything`'s own export and in ours. Beside them
the default model with its real weights, and the up-scaling that a page may leave out.
"""

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

from anymask.evaluation.speed.reference_package import build_reference, import_segment_anything
from anymask.inference.export import export_model
from anymask.model.checkpoint_layouts import to_official
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.config import SamConfig
from anymask.model.presets import preset
from anymask.model.sam import Sam

PHOTO_SIZE = (1200, 1800)  # height, width
CLICK = (900.0, 500.0)


def noise(*dims: int) -> dict[str, Any]:
    """An input that the page fills with noise."""
    return {"type": "float32", "dims": dims}


def values(kind: str, dims: list[int], *numbers: float) -> dict[str, Any]:
    """An input of given numbers."""
    return {"type": kind, "dims": dims, "values": numbers}


def write_reference(sam: Sam, path: Path) -> dict[str, Any]:
    """Export as the reference package does; return the inputs of one click."""
    package = import_segment_anything()
    reference = build_reference(package, sam.config)
    reference.load_state_dict(to_official(sam.state_dict()))
    onnx_model = importlib.import_module("segment_anything.utils.onnx").SamOnnxModel
    G, scale = sam.config.grid_size, sam.config.image_size / max(PHOTO_SIZE)
    inputs = {
        "image_embeddings": torch.randn(1, sam.config.embed_dim, G, G),
        "point_coords": torch.rand(1, 5, 2) * 1024,
        "point_labels": torch.randint(0, 4, (1, 5)).float(),
        "mask_input": torch.randn(1, 1, 4 * G, 4 * G),
        "has_mask_input": torch.tensor([1.0]),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            onnx_model(reference, return_single_mask=False),
            tuple(inputs.values()),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={"point_coords": {1: "N"}, "point_labels": {1: "N"}},
        )
    return {
        "image_embeddings": noise(1, sam.config.embed_dim, G, G),
        # the padding point is the caller's work in this graph
        "point_coords": values("float32", [1, 2, 2], CLICK[0] * scale, CLICK[1] * scale, 0, 0),
        "point_labels": values("float32", [1, 2], 1, -1),
        "mask_input": noise(1, 1, 4 * G, 4 * G),
        "has_mask_input": values("float32", [1], 0),
        "orig_im_size": values("float32", [2], *PHOTO_SIZE),
    }


def our_inputs(config: SamConfig) -> dict[str, Any]:
    """The inputs of one click."""
    D, G = config.embed_dim, config.grid_size
    features = {"image_embeddings": noise(1, D, G, G)}
    if config.high_res_features:
        features["stride8"] = noise(1, D // 4, 2 * G, 2 * G)
        features["stride4"] = noise(1, D // 8, 4 * G, 4 * G)
    return {
        "original_sizes": values("int64", [1, 2], *PHOTO_SIZE),
        "point_coords": values("float32", [1, 1, 2], *CLICK),
        "point_labels": values("int64", [1, 1], 1),
        "mask_input": noise(1, 1, 4 * G, 4 * G),
        "has_mask_input": values("float32", [1], 0),
        **features,
    }


def main() -> None:
    """Write the files and graphs.json."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    official, (small, small_id) = build_sam(preset("vit_b"), seed=0), load_sam()
    inputs = write_reference(official, folder / "reference.onnx")
    graphs = [{"name": "reference, official layout", "file": "reference.onnx", "inputs": inputs}]
    named = {"official layout": (official, "random"), "default model": (small, small_id)}
    for name, (model, model_id) in named.items():
        place, G = folder / model.config.name, model.config.grid_size
        export_model(model, model_id, place, parts=("decoder", "upscale"))
        upscale = {
            "low_res_logits": noise(1, 1, 4 * G, 4 * G),
            "original_size": values("int64", [2], *PHOTO_SIZE),
        }
        for part, given in (("decoder", our_inputs(model.config)), ("upscale", upscale)):
            file = f"{model.config.name}/{part}.onnx"
            graphs.append({"name": f"anymask, {name}, {part}", "file": file, "inputs": given})
    (folder / "graphs.json").write_text(json.dumps(graphs))


if __name__ == "__main__":
    main()
