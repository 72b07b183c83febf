"""The picture of a run: losses and validation IoU against images seen."""

import io

import numpy as np

from anymask.core.errors import MissingExtraError
from anymask.core.files import write_bytes
from anymask.training.run_folder import RunFolder

_LOSSES = ("loss", "first_mask", "first_dice", "first_iou", "last_dice", "last_iou", "affinity")
_SMOOTHING_STEPS = 50


def plot_curves(folder: RunFolder) -> None:
    """Writes `curves.png` into the run folder.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    rows = folder.read_log()
    if not rows:
        return
    seen = np.cumsum([row["num_images"] for row in rows]) / 1000
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    window = max(1, min(_SMOOTHING_STEPS, len(rows) // 4))
    kernel = np.ones(window) / window
    for name in _LOSSES:
        values = np.convolve([row[name] for row in rows], kernel, mode="valid")
        losses.plot(seen[window - 1 :], values, label=name.replace("_", " "), linewidth=1.2)
    losses.set(xlabel="thousand images", yscale="log", title="training losses (running mean)")
    losses.legend(fontsize=8)
    validated = [(x, row) for x, row in zip(seen, rows, strict=True) if "val_box" in row]
    for name in sorted({key for _, row in validated for key in row if key.startswith("val_")}):
        points = [(x, row[name]) for x, row in validated if name in row]
        scores.plot(*zip(*points, strict=True), marker=".", label=name[4:].replace("_", " "))
    scores.set(xlabel="thousand images", ylabel="mIoU", title="held-out images (averaged weights)")
    if validated:
        scores.legend(fontsize=8)
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(folder.path / "curves.png", buffer.getvalue())
