"""What the adaptive grid of "segment everything" misses of the full grid's recall, set by set.

Recall is the share of labelled masks that some generated mask overlaps enough: at IoU 0.5, and on
average over IoU 0.5 to 0.95. Photos are drawn by the seed; the interval of the difference is a
bootstrap over photos. `--smoke` asks few clicks (for the tests).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.rle import Rle
from anymask.dataset.sets import find_sets, read_set
from anymask.evaluation.metrics.bootstrap import interval, resample_means
from anymask.evaluation.sampling import SampleLimits, read_labelled_image, select_masks
from anymask.inference.adaptive_grid import AdaptiveGrid
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor
from anymask.inference.mask_tensors import mask_ious

IOUS = np.linspace(0.5, 0.95, 10)


def best_ious(targets: Sequence[Rle], found: Sequence[Rle]) -> NDArray[np.float32]:
    """(K,) the largest IoU of each target with a found mask, 0 when there is none."""
    if not found:
        return np.zeros(len(targets), dtype=np.float32)
    a, b = (torch.from_numpy(np.stack([r.to_mask() for r in rles])) for rles in (targets, found))
    best: NDArray[np.float32] = mask_ious(a, b).amax(1).numpy()
    return best


def recalls(ious: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K, 2) of best IoUs (K,): whether recalled at 0.5, and the share of thresholds passed."""
    return np.stack([ious >= 0.5, (ious[:, None] >= IOUS).mean(1)], axis=1).astype(np.float64)


def evaluate_set(
    full: MaskGenerator, adaptive: MaskGenerator, folder: Path, max_images: int | None, seed: int
) -> dict[str, Any]:
    """Recall of both generators on a set, their numbers of masks, and the difference."""
    chosen = select_masks(read_set(folder), SampleLimits(max_images=max_images), seed=seed)
    parts: dict[str, list[NDArray[np.float64]]] = {"full": [], "adaptive": []}
    num_masks, image_index = dict.fromkeys(parts, 0), []
    for number, labelled in enumerate(chosen):
        image, targets = read_labelled_image(labelled), [mask.rle for mask in labelled.masks]
        image_index += [number] * len(targets)
        for name, generator in (("full", full), ("adaptive", adaptive)):
            found = generator.find(image).masks
            parts[name].append(recalls(best_ious(targets, found)))
            num_masks[name] += len(found)
    tables = {name: np.concatenate(part) for name, part in parts.items()}
    difference = tables["adaptive"] - tables["full"]
    resampled = resample_means(difference, image_index, seed=seed)
    return {
        "images": len(chosen),
        "targets": len(difference),
        "found": num_masks,
        "recall_at_50": {name: float(table[:, 0].mean()) for name, table in tables.items()},
        "average_recall": {name: float(table[:, 1].mean()) for name, table in tables.items()},
        "average_recall_difference": [float(difference[:, 1].mean()), *interval(resampled[:, 1])],
    }


def main() -> None:
    """Runs and prints a line a set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a set, or a folder of sets")
    parser.add_argument("--sets", nargs="+", help="names (default: all)")
    parser.add_argument("--model", help="name or path (default: the default model)")
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--max-images", type=int, help="of a set, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    side = 4 if args.smoke else args.points_per_side
    predictor = load_predictor(args.model, "cpu")
    full, adaptive = (MaskGenerator(predictor, side, adaptive_grid=on) for on in (False, True))
    asked = AdaptiveGrid(side).num_points / side**2
    print(f"{side} points per side; adaptive asks {asked:.3f} of them at most", flush=True)
    for name, folder in find_sets(args.data).items():
        if args.sets is None or name in args.sets:
            row = evaluate_set(full, adaptive, folder, args.max_images, args.seed)
            print(json.dumps({"set": name, **row}), flush=True)


if __name__ == "__main__":
    main()
