"""The part of `anymask segment` that is asked by words: instances with text, score and mask."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.device_arguments import load_chosen_predictor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.core.prompts import Prompt
    from anymask.inference.embedding import ImageEmbedding
    from anymask.inference.text_search import TextInstance, TextSearch

Found = tuple["Prompt | None", "TextInstance"]


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments about text to `parser`."""
    add = parser.add_argument
    add(
        "--text",
        action="append",
        default=[],
        metavar="WORDS",
        help="what to look for, e.g. 'dog'; may be repeated. With points or a box it chooses "
        "among their masks",
    )
    add(
        "--text-threshold",
        type=float,
        metavar="SCORE",
        help="leave out instances of a lower score, 0 to 1 (0.75)",
    )
    add("--max-instances", type=int, metavar="N", help="instances of a text at most (all)")
    add(
        "--clip",
        metavar="NAME_OR_FOLDER",
        help="for a model trained with this CLIP: --text is one more prompt for one mask",
    )


def check_text_options(args: argparse.Namespace) -> None:
    """Raise InvalidInputError for options that do not fit each other or are out of range."""
    from anymask.core.errors import InvalidInputError
    from anymask.core.prompts import Prompt

    if args.clip is not None and not args.text:
        raise InvalidInputError("--clip must come with --text, got none. Add --text WORDS.")
    if args.text and args.multimask and args.clip is None:
        raise InvalidInputError(
            "--multimask must come without --text, got both. Use --max-instances for text."
        )
    for option in ("text_threshold", "max_instances"):
        if not args.text and getattr(args, option) is not None:
            flag = "--" + option.replace("_", "-")
            raise InvalidInputError(f"{flag} must come with --text, got none. Add --text WORDS.")
        if args.clip is not None and getattr(args, option) is not None:
            flag = "--" + option.replace("_", "-")
            raise InvalidInputError(
                f"{flag} must come without --clip, got both. With --clip a text has one mask."
            )
    check_text_threshold(args)
    if args.max_instances is not None and args.max_instances < 1:
        raise InvalidInputError(
            f"--max-instances must be at least 1, got {args.max_instances}. Leave it out for all."
        )
    args.text = list(dict.fromkeys(Prompt(text=text).text for text in args.text))


def check_text_threshold(args: argparse.Namespace) -> None:
    """Raise InvalidInputError for a --text-threshold out of its range."""
    from anymask.core.errors import InvalidInputError

    if args.text_threshold is not None and not 0 <= args.text_threshold <= 1:
        raise InvalidInputError(
            f"--text-threshold must be between 0 and 1, got {args.text_threshold:g}. Try 0.75."
        )


def run_text(
    args: argparse.Namespace, image: "NDArray[np.uint8]", prompts: "list[Prompt]", output: Path
) -> int:
    """Write a mask of each instance, an overlay with labels, logits and a JSON record; return 0.

    The image is encoded once for all texts. Where nothing is found there are no masks, the record
    and the printed lines tell the best score.

    Raises:
        AnymaskError: a text or an option is wrong, the model knows no text, or the packages for
            text are not installed.
    """
    from anymask.cli.prompt_arguments import with_mask_file
    from anymask.inference.text_search import DEFAULT_THRESHOLD, TextSearch

    texts: list[str] = args.text
    threshold = DEFAULT_THRESHOLD if args.text_threshold is None else args.text_threshold
    started = time.perf_counter()
    predictor = load_chosen_predictor(args)
    # The threshold is applied here, as the best score is told also where it is too low.
    search = TextSearch(predictor, threshold=0, max_instances=args.max_instances)
    predictor.embed_texts(texts)  # loads the text encoder
    loaded = time.perf_counter()
    embedding = predictor.embed(image)
    embedded = time.perf_counter()
    given = with_mask_file(prompts, args.mask, image.shape[:2], predictor.model.config)
    asked: list[Prompt | None] = [*given] or [None]
    answers = {text: _find(search, embedding, text, asked)[: args.max_instances] for text in texts}
    seconds = {
        "load": loaded - started,
        "embed": embedded - loaded,
        "search": time.perf_counter() - embedded,
    }
    found = [one for text in texts for one in answers[text] if one[1].score >= threshold]
    best = {text: max((one.score for _, one in answers[text]), default=0.0) for text in texts}
    result: dict[str, Any] = {
        "image": {
            "file_name": Path(args.image).name,
            "width": image.shape[1],
            "height": image.shape[0],
        },
        "model_id": predictor.model_id,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "text_threshold": threshold,
        "texts": [
            {
                "text": text,
                "num_instances": sum(one.text == text for _, one in found),
                "best_score": round(best[text], 6),
            }
            for text in texts
        ],
        "masks": [_record(*one) for one in found],
    }
    _write(output, Path(args.image).stem, image, prompts, found, result)
    print(json.dumps(result) if args.json else "\n".join(_lines(output, result)))
    return 0


def _find(
    search: "TextSearch",
    embedding: "ImageEmbedding",
    text: str,
    prompts: "list[Prompt | None]",
) -> list[Found]:
    found = [(prompt, one) for prompt in prompts for one in search.find(embedding, text, prompt)]
    return sorted(found, key=lambda pair: -pair[1].score)


def _record(prompt: "Prompt | None", instance: "TextInstance") -> dict[str, Any]:
    from anymask.cli.segment import prompt_record
    from anymask.core.geometry import xyxy_to_xywh

    rle = instance.segmentation
    asked = {"mask_input": False} if prompt is None else prompt_record(prompt)
    return {
        "segmentation": rle.to_coco(),
        "bbox": xyxy_to_xywh(rle.to_box()).tolist(),
        "area": rle.area,
        "text": instance.text,
        "score": round(instance.score, 6),
        "text_score": round(instance.text_score, 6),
        "iou_prediction": round(instance.iou_prediction, 6),
        "stability_score": round(instance.stability_score, 6),
        "prompt": {**asked, "text": instance.text},
    }


def _write(
    output: Path,
    stem: str,
    image: "NDArray[np.uint8]",
    prompts: "list[Prompt]",
    found: list[Found],
    result: dict[str, Any],
) -> None:
    from anymask.cli.segment import write_results
    from anymask.inference.overlay import draw_overlay
    from anymask.inference.overlay_labels import draw_labels

    masks = [one.segmentation.to_mask() for _, one in found]
    labels = [f"{one.text} {one.score:.2f}" for _, one in found]
    overlay = draw_labels(draw_overlay(image, masks, prompts), masks, labels)
    logits = [one.low_res_logits[0] for _, one in found]
    write_results(output, stem, overlay, masks, logits, result)


def _lines(output: Path, result: dict[str, Any]) -> list[str]:
    lines = [
        f"mask {k}: {mask['text']}, score {mask['score']:.2f}, {mask['area']} pixels"
        for k, mask in enumerate(result["masks"])
    ]
    lines += [
        f"no {text['text']}: the best score is {text['best_score']:.2f}, below "
        f"--text-threshold {result['text_threshold']:g}"
        for text in result["texts"]
        if not text["num_instances"]
    ]
    seconds = result["seconds"]
    times = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in seconds.items())
    return [*lines, f"time: {times}", *(str(output / name) for name in result["files"])]
