"""`anymask export`: encoder and decoder as files for ONNX Runtime, browsers and OpenVINO."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.core.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.inference.export import Part

_PARTS: "dict[str, tuple[Part, ...]]" = {
    "encoder": ("encoder",),
    "decoder": ("decoder", "upscale"),
    "both": ("encoder", "decoder", "upscale"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add("runtime", choices=("onnx", "openvino"), help="the runtime that the files are for")
    add("-o", "--output", required=True, metavar="DIR", help="folder for the files")
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add("--part", choices=tuple(_PARTS), default="both", help="which files (%(default)s)")
    add("--image-size", type=int, metavar="S", help="side of the model's input (the model's own)")
    add(
        "--dtype",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="float16: weights of half the size; int8: the encoder's products (%(default)s)",
    )
    add("--calibrate", metavar="DIR", help="photographs to scale int8 on, 20 to 100 of them")
    add(
        "--check-cases",
        type=int,
        default=12,
        metavar="N",
        help="random mixes of prompts that the decoder is compared with torch on (%(default)s)",
    )
    add("--license", metavar="TEXT", default="Apache-2.0", help="kept in the files (%(default)s)")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the files, print their differences from torch, return 0.

    Raises:
        AnymaskError: no such model, no photographs, a file that answers otherwise than torch, or
            no room.
    """
    if (args.dtype == "int8") != (args.calibrate is not None):
        raise InvalidInputError(
            f"--calibrate must come with --dtype int8, got {args.dtype} and {args.calibrate}. "
            "Give both, or neither."
        )
    from anymask.inference.export import export_model
    from anymask.model.checkpoints import load_sam

    images = [] if args.calibrate is None else _photographs(Path(args.calibrate))
    model, model_id = load_sam(args.model, image_size=args.image_size)
    files = export_model(
        model,
        model_id,
        args.output,
        args.runtime,
        parts=_PARTS[args.part],
        dtype=args.dtype,
        calibration=images[::2],
        metadata={"license": args.license},
        check_cases=args.check_cases,
    )
    result: dict[str, Any] = {
        "model_id": model_id,
        "runtime": args.runtime,
        "dtype": args.dtype,
        "files": [
            {
                "path": str(file.path),
                "num_bytes": file.num_bytes,
                "largest_difference": file.difference.size,
                "num_cases": file.num_cases,
            }
            for file in files
        ],
    }
    lines = [
        f"{row['path']}: {row['num_bytes'] / 1e6:.1f} MB, "
        f"differs from torch by {row['largest_difference']:.2g} at most "
        f"in {row['num_cases']} random cases"
        for row in result["files"]
    ]
    if images and args.part == "both":
        result["mean_mask_iou"] = _mask_agreement(args, images[1::2])
        lines.append(f"mean IoU of masks with float32's: {result['mean_mask_iou']:.4f}")
    print(json.dumps(result) if args.json else "\n".join(lines))
    return 0


def _mask_agreement(args: argparse.Namespace, images: "list[NDArray[np.uint8]]") -> float:
    """Mean IoU over photographs that did not calibrate, clicked on a grid."""
    from anymask.inference.export_check import mask_agreement
    from anymask.inference.loading import load_predictor
    from anymask.inference.predictor import Predictor
    from anymask.model.checkpoints import load_sam

    model, model_id = load_sam(args.model, image_size=args.image_size)
    truth = Predictor(model, model_id, "cpu", "float32")
    return mask_agreement(truth, load_predictor(args.output), images)


def _photographs(folder: Path) -> "list[NDArray[np.uint8]]":
    """Up to 200 pictures of a folder, spread over it; at least two, as half of them check."""
    from anymask.cli.everything import find_images
    from anymask.core.image_io import read_image

    paths = find_images([folder])
    paths = paths[:: max(1, len(paths) // 200)][:200]
    if len(paths) < 2:
        raise InvalidInputError(
            f"--calibrate must hold at least two photographs, got {len(paths)} in {folder}. "
            "Add some like those that the model will see."
        )
    print(f"calibrating on {len(paths[::2])} photographs", file=sys.stderr)
    return [read_image(path) for path in paths]
