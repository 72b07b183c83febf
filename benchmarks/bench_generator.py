"""Segment everything: ours beside `segment_anything`'s generator, times and peak memory.

All sides have the same weights, photo, grid and thresholds, and run in turn in one process; memory
is that of a process each. The weights are random but draw blobs, and the thresholds are set where a
usual share of answers stays. `--tuned` runs all with the allocator told to keep freed memory, which
the reference needs and ours does not. `--smoke` takes a tiny network (for the tests).
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.core.prompts import Prompt
from anymask.evaluation.speed.contenders import segment_anything_contender
from anymask.evaluation.speed.machine import describe_machine
from anymask.evaluation.speed.memory import peak_bytes
from anymask.evaluation.speed.timing import ratio, take_turns
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor
from anymask.inference.mask_tensors import stability_scores, without_padding
from anymask.inference.point_grid import point_grid
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.presets import preset
from anymask.model.sam import Sam
from bench_encoder import TUNED

REFERENCE = "segment-anything"
# Ours, by name: the encoder's dtype and the generator's own options.
OURS: dict[str, tuple[Any, dict[str, Any]]] = {
    "anymask": ("auto", {}),
    "anymask adaptive grid": ("auto", {"adaptive_grid": True}),
    "anymask full-size decisions": ("auto", {"full_size_decisions": True}),
    "anymask float32": ("float32", {}),
}
Everything = Callable[[NDArray[np.uint8]], int]


def photo(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scikit-image's public-domain photo of coffee, scaled to (H, W), uint8 RGB."""
    import skimage.data

    coffee = Image.fromarray(skimage.data.coffee())
    return np.array(coffee.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def blob_sam(name: str, image: NDArray[np.uint8]) -> Sam:
    """A seeded random model of that preset that draws blobs, and whose thresholds fit them."""
    sam = build_sam(preset(name), seed=0)
    draw_blobs(sam, image)
    thresholds = usual_thresholds(Predictor(sam, name, "cpu", "float32"), image)
    sam.config = dataclasses.replace(sam.config, **thresholds)
    return sam


def draw_blobs(sam: Sam, image: NDArray[np.uint8], covered: float = 0.1) -> None:
    """Changes random weights so that masks are blobs that cover that share of the image.

    Plain random weights draw noise of single cells, whose run lengths no real mask has.
    """
    first, _, _, second, _ = sam.mask_decoder.output_upscaling
    with torch.no_grad():
        for up in (first, second):  # the same in the four pixels that each cell becomes
            up.weight.copy_(up.weight.mean((2, 3), keepdim=True).expand_as(up.weight))
        for mlp in sam.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight[0] = 0.0
            mlp.layers[-1].bias[0] = 0.0
        # Channel 0 becomes a constant, so that the bias of its weight moves all logits.
        second.weight[:, 0] = 0.0
        second.bias[0] = 3.0
    predictor = Predictor(sam, "blobs", "cpu", "float32")
    height, width = image.shape[:2]
    clicks = [Prompt(point_coords=[[width / 2, height / 2]]), Prompt(point_coords=[[9, 9]])]
    answers = predictor.predict(predictor.embed(image), clicks, multimask_output=True)
    logits = np.stack([answer.low_res_logits for answer in answers])  # 2 3 h w
    shifts = np.quantile(logits, 1 - covered, axis=(0, 2, 3))
    scales = 8 / logits.std(axis=(0, 2, 3))  # a shift by one leaves most of a blob
    mlps = list(sam.mask_decoder.output_hypernetworks_mlps)[1:]
    with torch.no_grad():
        for mlp, shift, scale in zip(mlps, shifts.tolist(), scales.tolist(), strict=True):
            mlp.layers[-1].weight *= scale
            mlp.layers[-1].bias *= scale
            mlp.layers[-1].bias[0] = -shift * scale / 3.0  # gelu(3) is 3 but for a thousandth


def usual_thresholds(
    predictor: Predictor, image: NDArray[np.uint8], sure: float = 0.4, stable: float = 0.3
) -> dict[str, float]:
    """Thresholds that a share `sure` of the answers passes, and `stable` of those.

    From 64 clicks. The shares are assumed: no trained weights of that size were measured.
    """
    embedding, config = predictor.embed(image), predictor.model.config
    points = point_grid(8) * np.array([image.shape[1], image.shape[0]])
    prompts = [Prompt(point_coords=point[None]) for point in points]
    packed = pack_prompts(prompts, embedding.frame, config.mask_size, predictor.device)
    decoded = predictor.decode(embedding, packed, multimask_output=True)
    ious = decoded.iou_predictions.flatten()
    pred_iou_thresh = float(ious.quantile(1 - sure))
    passing = decoded.low_res_logits.flatten(0, 1)[ious > pred_iou_thresh]
    stability = stability_scores(
        without_padding(passing, embedding.frame), config.mask_threshold, 1.0
    )
    return {
        "pred_iou_thresh": pred_iou_thresh,
        "stability_score_thresh": float(stability.quantile(1 - stable)),
        "stability_score_offset": 1.0,
    }


def everything(name: str, weights: Path, points_per_side: int) -> Everything:
    """What turns a photo into its number of masks, for the contender of that name."""
    if name == REFERENCE:
        sam, _ = load_sam(weights)
        options: dict[str, Any] = {
            field: getattr(sam.config, field)
            for field in ("pred_iou_thresh", "stability_score_thresh", "stability_score_offset")
        }
        options["points_per_side"] = points_per_side
        contender = segment_anything_contender(sam, torch.device("cpu"), options)
        assert contender.everything is not None
        return contender.everything
    dtype, options = OURS[name]
    generator = MaskGenerator(
        load_predictor(weights, "cpu", dtype),
        points_per_side,
        max_mask_area_fraction=1.0,
        **options,
    )
    return lambda image: len(generator.generate(image))


def compare(
    names: Sequence[str],
    weights: Path,
    image: NDArray[np.uint8],
    points_per_side: int,
    rounds: int,
) -> dict[str, dict[str, Any]]:
    """Seconds of each contender, round by round, its ratio to the first one, and its masks."""
    num_masks: dict[str, int] = {}

    def run(name: str, generate: Everything) -> None:
        num_masks[name] = generate(image)

    for name in names:
        everything(name, weights, 2)(image)  # as a warm-up a whole round would take too long
    actions = {
        name: partial(run, name, everything(name, weights, points_per_side)) for name in names
    }
    times = take_turns(actions, rounds, num_warm_ups=0)
    return {
        name: {
            "seconds": list(times[name].seconds),
            "ratio": dataclasses.asdict(ratio(times[names[0]], times[name])),
            "num_masks": num_masks[name],
        }
        for name in names
    }


def measure_memory(
    name: str, weights: Path, size: tuple[int, int], points_per_side: int
) -> dict[str, int]:
    """Bytes of a process of its own: with the model and the photo ready, and at most."""
    command = [sys.executable, __file__, "--memory-of", name, "--weights", str(weights)]
    command += ["--size", *map(str, size), "--points-per-side", str(points_per_side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {key: int(value) for key, value in json.loads(done.stdout).items()}


def _print_memory(name: str, weights: Path, size: tuple[int, int], points_per_side: int) -> None:
    generate, image = everything(name, weights, points_per_side), photo(size)
    ready = peak_bytes()
    generate(image)
    print(json.dumps({"ready": ready, "peak": peak_bytes()}))


def _print_table(result: dict[str, Any]) -> None:
    print(result["machine"])
    for name, row in result["contenders"].items():
        seconds = " ".join(f"{value:.2f}" for value in row["seconds"])
        peak = f", peak {row['memory']['peak'] / 2**20:.0f} MiB" if "memory" in row else ""
        ratios = row["ratio"]
        print(
            f"{name:28} {seconds} s, {ratios['median']:.2f}x "
            f"({ratios['low']:.2f} to {ratios['high']:.2f}), {row['num_masks']} masks{peak}"
        )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_b", help="vit_b, vit_l or vit_h (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[REFERENCE, *OURS], metavar="NAME")
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--size", type=int, nargs=2, default=(1200, 1800), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tuned and any(os.environ.get(key) != value for key, value in TUNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | TUNED)
    torch.set_num_threads(args.threads)
    name, size, side = args.model, tuple(args.size), args.points_per_side
    if args.memory_of:
        _print_memory(args.memory_of, args.weights, size, side)
        return
    if args.smoke:
        name, size, side = "tiny_vit", (90, 130), 3
    image = photo(size)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "blobs.safetensors"
        save_sam(blob_sam(name, image), weights)
        contenders = compare(args.only, weights, image, side, args.rounds)
        if not args.no_memory:
            for contender, row in contenders.items():
                row["memory"] = measure_memory(contender, weights, size, side)
    result = {
        "machine": describe_machine().describe(),
        "model": name,
        "points_per_side": side,
        "size": size,
        "contenders": contenders,
    }
    if args.json:
        print(json.dumps(result))
    else:
        _print_table(result)


if __name__ == "__main__":
    main()
