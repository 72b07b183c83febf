"""Segment everything: ours beside `segment_anything`'s generator, and what ours costs at what size.

Both sides have the same weights, photo, grid and thresholds, and run in turn in one process. The
weights are random but draw blobs, and the thresholds are set where a usual share of answers stays.
`--curves` times ours alone against points per side, image size and thresholds. `--smoke` does all
with a tiny network (for the tests).
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.core.prompts import Prompt
from anymask.evaluation.speed.contenders import segment_anything_contender
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor
from anymask.inference.mask_tensors import stability_scores, without_padding
from anymask.inference.point_grid import point_grid
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset
from anymask.model.sam import Sam

PHOTO_SIZE = (1200, 1800)


@dataclass(frozen=True, kw_only=True)
class CostPoint:
    """One measured run: `value` of what was varied, its `seconds`, and the masks it gave."""

    varied: str
    value: float
    seconds: float
    num_masks: int


def photo(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns scikit-image's public-domain photo of coffee, scaled to (H, W), uint8 RGB."""
    import skimage.data

    coffee = Image.fromarray(skimage.data.coffee())
    return np.array(coffee.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def usual_thresholds(
    predictor: Predictor, image: NDArray[np.uint8], sure: float = 0.4, stable: float = 0.3
) -> dict[str, float]:
    """Returns thresholds that a share `sure` of the answers passes, and `stable` of those.

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
    }


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


def measured(generator: MaskGenerator, image: NDArray[np.uint8]) -> tuple[float, int]:
    """Returns seconds and number of masks of one run."""
    started = time.perf_counter()
    num_masks = len(generator.generate(image))
    return time.perf_counter() - started, num_masks


def compare(
    name: str, image: NDArray[np.uint8], points_per_side: int, rounds: int, dtype: Any
) -> dict[str, Any]:
    """Returns seconds and masks of both, round by round, with seeded weights of that preset."""
    sam = build_sam(preset(name), seed=0)
    draw_blobs(sam, image)
    options = {
        "points_per_side": points_per_side,
        **usual_thresholds(Predictor(sam, name, "cpu", "float32"), image),
    }
    predictor = Predictor(sam, name, "cpu", dtype)
    ours = MaskGenerator(predictor, max_mask_area_fraction=1.0, **options)
    exact = MaskGenerator(
        predictor, max_mask_area_fraction=1.0, full_size_decisions=True, **options
    )
    reference = segment_anything_contender(sam, torch.device("cpu"), options).everything
    assert reference is not None
    predictor.embed(image)  # warms up
    rows = []
    for _ in range(rounds):
        fast_seconds, num_fast = measured(ours, image)
        exact_seconds, num_exact = measured(exact, image)
        started = time.perf_counter()
        num_reference = reference(image)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "seconds": {"reference": seconds, "fast": fast_seconds, "exact": exact_seconds},
                "num_masks": {"reference": num_reference, "fast": num_fast, "exact": num_exact},
                "ratio": {"fast": seconds / fast_seconds, "exact": seconds / exact_seconds},
            }
        )
    return {"model": name, "dtype": str(dtype), "options": options, "rounds": rows}


def cost_curves(
    predictor: Predictor, sides: Sequence[int], megapixels: Sequence[float]
) -> list[CostPoint]:
    """Returns ours against points per side, image size and thresholds, one at a time."""
    image = photo(PHOTO_SIZE)
    config = predictor.model.config
    points = []

    def add(varied: str, value: float, pixels: NDArray[np.uint8], **options: Any) -> None:
        seconds, num_masks = measured(MaskGenerator(predictor, **options), pixels)
        points.append(CostPoint(varied=varied, value=value, seconds=seconds, num_masks=num_masks))

    measured(MaskGenerator(predictor, points_per_side=4), image)  # warms up
    for side in sides:
        add("points", side**2, image, points_per_side=side)
    side = sorted(sides)[len(sides) // 2]
    for size in megapixels:
        height = round((size * 1e6 / 1.5) ** 0.5)
        add("megapixels", size, photo((height, height * 3 // 2)), points_per_side=side)
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        thresh = share * config.pred_iou_thresh
        add("pred_iou_thresh", thresh, image, points_per_side=side, pred_iou_thresh=thresh)
    return points


def plot_costs(points: Sequence[CostPoint], path: Path) -> None:
    """Draws each curve on its own axes, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = {"points": "clicks", "megapixels": "megapixels", "pred_iou_thresh": "masks"}
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 3.2), layout="constrained")
    for axis, (varied, label) in zip(axes, panels.items(), strict=True):
        own = [point for point in points if point.varied == varied]
        x = [p.num_masks if varied == "pred_iou_thresh" else p.value for p in own]
        axis.plot(x, [point.seconds for point in own], marker="o")
        axis.set(xlabel=label, ylabel="seconds", xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dtype", default="auto", help="of our image encoder (%(default)s)")
    parser.add_argument("--curves", action="store_true", help="costs of ours, not the comparison")
    parser.add_argument(
        "--model", help="of the curves: a name or path (default: the default model)"
    )
    parser.add_argument("--plot", type=Path, help="where the curves are drawn, a PNG")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "tuned": "MALLOC_TOP_PAD_" in os.environ,
    }
    result: dict[str, Any] = {"machine": machine}
    if args.curves or args.smoke:
        predictor = load_predictor(args.model, "cpu")
        sides, sizes = ((2, 4), (0.01, 0.1)) if args.smoke else ((8, 16, 32, 64), (0.5, 2, 6, 24))
        points = cost_curves(predictor, sides, sizes)
        result["curves"] = [asdict(point) for point in points]
        if args.plot:
            plot_costs(points, args.plot)
    if args.smoke:
        result["comparison"] = compare("tiny_vit", photo((90, 130)), 2, 1, "float32")
    elif not args.curves:
        image = photo(PHOTO_SIZE)
        result["comparison"] = compare(
            "vit_b", image, args.points_per_side, args.rounds, args.dtype
        )
    if args.json:
        print(json.dumps(result))
        return
    print(machine)
    for point in result.get("curves", []):
        print("{varied:16} {value:9.3g} {seconds:8.2f} s {num_masks:6} masks".format(**point))
    for row in result.get("comparison", {}).get("rounds", []):
        for name, seconds in row["seconds"].items():
            ratio = row["ratio"].get(name, 1.0)
            print(f"{name:10} {seconds:8.2f} s {row['num_masks'][name]:6} masks {ratio:6.2f}x")


if __name__ == "__main__":
    main()
