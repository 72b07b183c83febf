"""Masks of a real photo from a point, a box, several points and an earlier mask, as one picture.

Run `python examples/demo.py FOLDER`. The photo ships with scikit-image (a rocket, public domain).
"""

import sys
import time
from pathlib import Path

import numpy as np
import skimage

import anymask
from anymask.core.image_io import write_png
from anymask.inference.overlay import draw_overlay

PHOTO = Path(skimage.__file__).parent / "data" / "rocket.jpg"


def main(folder: Path) -> None:
    """Segments the photo four ways, prints scores and times, and writes the picture."""
    image = anymask.read_image(PHOTO)
    predictor = anymask.load_model()
    started = time.perf_counter()
    embedding = predictor.embed(image)
    print(f"{PHOTO.name}: embedded by {predictor.model_id} in {_ms(started)}")

    point = anymask.Prompt(point_coords=[[321, 200]], point_labels=[1])
    box = anymask.Prompt(box=[304, 125, 340, 382])
    points = anymask.Prompt(
        point_coords=[[321, 180], [321, 340], [395, 270], [240, 300], [395, 340]],
        point_labels=[1, 1, 0, 0, 0],
    )
    first = predictor.predict(embedding, box)
    best = slice(first.best, first.best + 1)
    refined = anymask.Prompt(
        point_coords=[[321, 250]], point_labels=[1], mask_input=first.low_res_logits[best]
    )
    panels = []
    named = {"a point": point, "a box": box, "five points": points, "a mask and a point": refined}
    for name, prompt in named.items():
        started = time.perf_counter()
        prediction = predictor.predict(embedding, prompt)
        mask = prediction.masks[prediction.best]
        score = prediction.iou_predictions[prediction.best]
        print(f"  {name:18} predicted IoU {score:.2f}, {mask.sum()} pixels, {_ms(started)}")
        panels.append(draw_overlay(image, [mask], [prompt]))

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "demo.png"
    write_png(path, np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])]))
    print(f"overlay: {path.resolve()}")


def _ms(started: float) -> str:
    return f"{1000 * (time.perf_counter() - started):.0f} ms"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output"))
