"""How the cost of "segment everything" grows: with clicks, image size, masks; and of a batch.

The default model alone. Each curve is measured point by point in turn, drawn log-log, and fitted
with a power: seconds = a * amount^b, b being its exponent. `--smoke` takes two small points of each
(for the tests).
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from anymask.core.files import write_json
from anymask.evaluation.speed.machine import describe_machine
from anymask.evaluation.speed.timing import take_turns
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor
from anymask.inference.predictor import Predictor
from bench_generator import photo

PHOTO_SIZE = (1200, 1800)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Median seconds against an amount.

    Attributes:
        name: what was timed.
        unit: of the amounts.
        amounts: what was varied, rising.
        seconds: of each.
    """

    name: str
    unit: str
    amounts: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Of the power law through the points: 1 is proportional, below 1 there is a fixed part."""
        slope, _ = np.polyfit(np.log(self.amounts), np.log(self.seconds), 1)
        return float(slope)


def clicks_curve(predictor: Predictor, sides: Sequence[int], rounds: int) -> Curve:
    """Against the clicks of the grid, with an image of PHOTO_SIZE."""
    image = photo(PHOTO_SIZE)
    actions = {side**2: partial(MaskGenerator(predictor, side).generate, image) for side in sides}
    return _curve("grid of clicks", "clicks", actions, rounds)


def size_curve(predictor: Predictor, side: int, megapixels: Sequence[float], rounds: int) -> Curve:
    """Against the pixels of the image."""
    generator = MaskGenerator(predictor, side)
    actions: dict[float, Callable[[], object]] = {}
    for size in megapixels:
        height = round((size * 1e6 / 1.5) ** 0.5)
        actions[size] = partial(generator.generate, photo((height, height * 3 // 2)))
    name = f"image size, {side} points per side"
    return _curve(name, "megapixels", actions, rounds)


def masks_curve(predictor: Predictor, side: int, overlaps: Sequence[float], rounds: int) -> Curve:
    """Against the masks that stay, as NMS keeps more and more."""
    image = photo(PHOTO_SIZE)
    actions: dict[float, Callable[[], object]] = {}
    for overlap in overlaps:
        generator = MaskGenerator(
            predictor,
            side,
            pred_iou_thresh=0.0,
            stability_score_thresh=0.0,
            box_nms_thresh=overlap,
        )
        actions[len(generator.generate(image))] = partial(generator.generate, image)
    return _curve(f"masks kept, {side} points per side", "masks", actions, rounds)


def batch_curve(predictor: Predictor, batches: Sequence[int], rounds: int) -> Curve:
    """Of the encoder, against the images encoded together."""
    image = photo(PHOTO_SIZE)
    actions = {size: partial(predictor.embed_batch, [image] * size) for size in batches}
    for warm_up in actions.values():
        warm_up()
    return _curve("encoder alone", "images in a batch", actions, rounds)


def _curve(
    name: str, unit: str, actions: Mapping[float, Callable[[], object]], rounds: int
) -> Curve:
    named = {str(amount): action for amount, action in actions.items()}
    times = take_turns(named, rounds, num_warm_ups=0)
    return Curve(
        name=name,
        unit=unit,
        amounts=tuple(actions),
        seconds=tuple(times[str(amount)].median for amount in actions),
    )


def plot_curves(curves: Sequence[Curve], title: str, path: Path) -> None:
    """Draws each curve on its own log-log axes beside what is proportional to it, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for axis, curve in zip(axes.flat, curves, strict=True):
        amounts = np.array(curve.amounts)
        axis.loglog(amounts, curve.seconds, "o-", label="measured")
        proportional = curve.seconds[-1] * amounts / amounts[-1]
        axis.loglog(amounts, proportional, "--", color="gray", label="proportional")
        axis.set(xlabel=curve.unit, ylabel="seconds", xticks=amounts)
        axis.set_xticks([], minor=True)
        axis.set_xticklabels([f"{amount:g}" for amount in amounts])
        axis.set_title(f"{curve.name}: exponent {curve.exponent:.2f}", fontsize=10)
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Runs, prints, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--plot", type=Path, help="where the curves are drawn, a PNG")
    parser.add_argument("--output", type=Path, help="where the figures are written, JSON")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    predictor = load_predictor(None, "cpu")
    if args.smoke:
        side, sides, sizes, overlaps, batches = 2, (2, 4), (0.01, 0.1), (0.3, 1.0), (1, 2)
    else:
        side, sides, sizes = 16, (8, 16, 32, 64), (1, 3, 10, 30, 100)
        overlaps, batches = (0.3, 0.6, 0.8, 0.9, 1.0), (1, 2, 4, 8)
    MaskGenerator(predictor, 4).generate(photo(PHOTO_SIZE))  # warms up
    machine = describe_machine()
    print(machine.describe())
    measures = (
        partial(clicks_curve, predictor, sides, args.rounds),
        partial(size_curve, predictor, side, sizes, args.rounds),
        partial(masks_curve, predictor, side, overlaps, args.rounds),
        partial(batch_curve, predictor, batches, 5 * args.rounds),
    )
    curves = []
    for measure in measures:
        curve = measure()
        curves.append(curve)
        print(f"{curve.name}: exponent {curve.exponent:.2f}")
        for amount, seconds in zip(curve.amounts, curve.seconds, strict=True):
            print(f"  {amount:8g} {curve.unit}: {seconds:.3f} s", flush=True)
    if args.plot:
        title = f"anymask, default model: {machine.processor}, {machine.num_threads} threads"
        plot_curves(curves, title, args.plot)
    if args.output:
        values = {"machine": dataclasses.asdict(machine)}
        values["curves"] = {c.name: dataclasses.asdict(c) for c in curves}
        write_json(args.output, values)


if __name__ == "__main__":
    main()
