"""Time and peak memory of one click, after `embed` and from the file, with the default model.

Prints medians with their spread, and the machine. `--smoke` runs each once (for the tests).
"""

import argparse
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path


def timed(action: Callable[[], object], repeats: int) -> list[float]:
    """Milliseconds of each run, after one that warms up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - started))
    return times


def peak_megabytes() -> float:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="a photo (default: one of scikit-image's)")
    parser.add_argument("--model", help="name or path (default: the default model)")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    repeats = 1 if args.smoke else 30

    import torch

    import anymask

    path = args.image
    if path is None:
        import skimage

        path = Path(skimage.__file__).parent / "data" / "chelsea.png"
    before = peak_megabytes()
    predictor = anymask.load_model(args.model)
    image = anymask.read_image(path)
    H, W, _ = image.shape
    click = anymask.Prompt(point_coords=[[W / 2, H / 2]], point_labels=[1])
    box = anymask.Prompt(box=[W / 4, H / 4, 3 * W / 4, 3 * H / 4])
    embedding = predictor.embed(image)

    rows = {
        "embed": timed(lambda: predictor.embed(image), repeats),
        "one click after embed (3 masks, full size)": timed(
            lambda: predictor.predict(embedding, click).masks, repeats
        ),
        "64 boxes after embed, per prompt (logits)": [
            t / 64 for t in timed(lambda: predictor.predict(embedding, [box] * 64), repeats)
        ],
        "read, embed, predict": timed(
            lambda: predictor.predict(predictor.embed(anymask.read_image(path)), click).masks,
            repeats,
        ),
    }
    print(f"{path.name} {W}x{H}, model {predictor.model_id}, float32")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.processor()}")
    for name, times in rows.items():
        spread = f"{min(times):.1f} to {max(times):.1f}"
        print(f"{name:45} median {statistics.median(times):7.1f} ms   ({spread})")
    print(f"peak memory {peak_megabytes():.0f} MB, of which {before:.0f} MB are Python and torch")


if __name__ == "__main__":
    main()
