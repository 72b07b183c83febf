"""`anymask segment`: the masks that clicks, boxes, words or an earlier mask ask for in an image."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.device_arguments import (
    add_close_up_argument,
    add_device_arguments,
    load_chosen_predictor,
)
from anymask.cli.segment_text import add_text_arguments, check_text_options, run_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.core.prompts import Prompt
    from anymask.inference.close_up import Answer
    from anymask.inference.predictor import Predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add("image", metavar="IMAGE", help="a picture file")
    add(
        "--point",
        action="append",
        default=[],
        metavar="X,Y[,0|1]",
        help="a click in pixels on the object, with 0 beside it; may be repeated",
    )
    add(
        "--box",
        action="append",
        default=[],
        metavar="X0,Y0,X1,Y1",
        help="a box in pixels; repeated, each box is an object of its own",
    )
    add(
        "--mask",
        metavar="FILE",
        help="a mask to refine: logits of an earlier run (.npy), or a black and white picture",
    )
    add_text_arguments(parser)
    add("--multimask", action="store_true", help="write all three masks of a prompt, best first")
    add_close_up_argument(parser)
    add("-o", "--output", default=".", metavar="DIR", help="folder for the results (%(default)s)")
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add_device_arguments(parser)
    add("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Write masks, overlay, logits and a JSON record of the image; return 0.

    Without `--multimask` each prompt gives one mask, the best of three where it is ambiguous. With
    `--text` any number of instances is found (`anymask.cli.segment_text`); with `--clip` as well,
    each text is a prompt like the others.

    Raises:
        AnymaskError: a prompt, the image, the model or the output folder cannot be used; found
            before the model is loaded where possible.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.cli.prompt_arguments import parse_prompts, with_texts
    from anymask.core.errors import InvalidInputError
    from anymask.core.image_io import read_image

    prompts = parse_prompts(args.point, args.box)
    if not prompts and args.mask is None and not args.text:
        raise InvalidInputError(
            "a prompt must be given, got none. "
            "Add --point X,Y, --box X0,Y0,X1,Y1, --text WORDS or --mask FILE."
        )
    check_text_options(args)
    image = read_image(args.image)
    for prompt in prompts:
        prompt.check_inside((image.shape[0], image.shape[1]))
    output = make_output_folder(args.output)
    if args.text and args.clip is None:
        return run_text(args, image, prompts, output)

    from anymask.model.text_clip import load_clip

    started = time.perf_counter()
    text_encoder = None if args.clip is None else load_clip(args.clip)
    predictor = load_chosen_predictor(args, text_encoder)
    prompts = with_texts(prompts, args.text)
    seconds = {"load": time.perf_counter() - started}
    prompts, predictions = _predict(args, predictor, image, prompts, seconds)
    chosen = [
        (prompt, prediction, index)
        for prompt, prediction in zip(prompts, predictions, strict=True)
        for index in _chosen(prediction, every=args.multimask)
    ]
    result = {
        "image": {
            "file_name": Path(args.image).name,
            "width": image.shape[1],
            "height": image.shape[0],
        },
        "model_id": predictor.model_id,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "masks": [_record(*one) for one in chosen],
    }
    overlay = _draw(image, prompts, chosen)
    masks = [prediction.masks[index] for _, prediction, index in chosen]
    logits = [prediction.low_res_logits[index] for _, prediction, index in chosen]
    write_results(output, Path(args.image).stem, overlay, masks, logits, result)
    print(json.dumps(result) if args.json else "\n".join(_lines(output, result)))
    return 0


def _predict(
    args: argparse.Namespace,
    predictor: "Predictor",
    image: "NDArray[np.uint8]",
    prompts: "list[Prompt]",
    seconds: dict[str, float],
) -> "tuple[list[Prompt], tuple[Answer, ...]]":
    """Return the prompts, with the mask if there is one, and their answers; adds to `seconds`."""
    from anymask.cli.prompt_arguments import with_mask_file
    from anymask.inference.close_up import CloseUpPredictor

    prompts = with_mask_file(prompts, args.mask, image.shape[:2], predictor.model.config)
    looking = CloseUpPredictor(predictor, 0 if args.no_close_up else None)
    started = time.perf_counter()
    embedding = looking.embed(image)
    embedded = time.perf_counter()
    predictions = looking.predict(
        embedding, prompts, multimask_output=True if args.multimask else None
    )
    seconds["embed"] = embedded - started
    seconds["predict"] = time.perf_counter() - embedded
    return prompts, predictions


def _chosen(prediction: "Answer", *, every: bool) -> list[int]:
    """Return the indices of the masks to write, best first."""
    order: list[int] = (-prediction.iou_predictions).argsort(kind="stable").tolist()
    return order if every else order[:1]


def _record(prompt: "Prompt", prediction: "Answer", index: int) -> dict[str, Any]:
    from anymask.core.geometry import xyxy_to_xywh
    from anymask.core.rle import Rle

    rle = Rle.from_mask(prediction.masks[index])
    return {
        "segmentation": rle.to_coco(),
        "bbox": xyxy_to_xywh(rle.to_box()).tolist(),
        "area": rle.area,
        "iou_prediction": round(float(prediction.iou_predictions[index]), 6),
        "prompt": prompt_record(prompt),
    }


def prompt_record(prompt: "Prompt") -> dict[str, Any]:
    """Return the points, the box, the text and whether there was a mask, as JSON values."""
    asked: dict[str, Any] = {}
    if prompt.point_coords is not None:
        asked["point_coords"] = prompt.point_coords.tolist()
        asked["point_labels"] = prompt.point_labels.tolist()
    if prompt.box is not None:
        asked["box"] = prompt.box.tolist()
    if prompt.text is not None:
        asked["text"] = prompt.text
    return {**asked, "mask_input": prompt.mask_input is not None}


def _draw(
    image: "NDArray[np.uint8]",
    prompts: "list[Prompt]",
    chosen: "list[tuple[Prompt, Answer, int]]",
) -> "NDArray[np.uint8]":
    from anymask.inference.overlay import draw_overlay

    # The best mask lies on top of the others.
    masks = [prediction.masks[index] for _, prediction, index in reversed(chosen)]
    return draw_overlay(image, masks, prompts)


def write_results(
    output: Path,
    stem: str,
    overlay: "NDArray[np.uint8]",
    masks: "list[NDArray[np.bool_]]",
    logits: "list[NDArray[np.float32]]",
    result: dict[str, Any],
) -> None:
    """Write all files, the JSON record last, and name them in `result`."""
    import numpy as np

    from anymask.core.files import atomic_write, write_json
    from anymask.core.image_io import write_png

    names = [f"{stem}_mask_{k}.png" for k in range(len(masks))]
    if len(masks) == 1:
        names = [f"{stem}_mask.png"]
    for name, mask in zip(names, masks, strict=True):
        write_png(output / name, mask)
    names.append(f"{stem}_overlay.png")
    write_png(output / names[-1], overlay)
    if logits:
        names.append(f"{stem}_logits.npy")
        with atomic_write(output / names[-1]) as stream:
            np.save(stream, np.stack(logits))
    result["files"] = [*names, f"{stem}.json"]
    write_json(output / f"{stem}.json", result)


def _lines(output: Path, result: dict[str, Any]) -> list[str]:
    lines = [
        f"mask {k}: {mask['area']} pixels, predicted IoU {mask['iou_prediction']:.2f}"
        for k, mask in enumerate(result["masks"])
    ]
    seconds = result["seconds"]
    times = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return [*lines, f"time: {times}", *(str(output / name) for name in result["files"])]
