"""Masks of a real photo from a point, a box, several points and an earlier mask, as one picture.

Run `python examples/demo.py FOLDER`; the photo ships with scikit-image (public domain).
"""

import sys
import time
from pathlib import Path

from PIL import Image

import anymask
from anymask.core.image_io import write_png
from anymask.inference.overlay import draw_overlay


def main(folder: Path) -> None:
    """Segments the photo four ways, prints scores and times, and writes the overlays."""
    import skimage

    photo = Path(skimage.__file__).parent / "data" / "chelsea.png"
    image = anymask.read_image(photo)
    predictor = anymask.load_model()

    started = time.perf_counter()
    embedding = predictor.embed(image)
    print(f"{photo.name}: embedded in {time.perf_counter() - started:.2f} s")

    first = anymask.Prompt(point_coords=[[250, 170]], point_labels=[1])
    logits = predictor.predict(embedding, first, multimask_output=True).best_logits
    prompts = {
        "point": first,
        "box": anymask.Prompt(box=[130, 10, 445, 295]),
        "points": anymask.Prompt(
            point_coords=[[250, 170], [180, 60], [60, 60]], point_labels=[1, 1, 0]
        ),
        "mask": anymask.Prompt(
            point_coords=[[250, 170], [400, 260]], point_labels=[1, 1], mask_input=logits
        ),
    }
    panels = []
    for name, prompt in prompts.items():
        started = time.perf_counter()
        prediction = predictor.predict(embedding, prompt)
        seconds = time.perf_counter() - started
        best = prediction.best
        panels.append(draw_overlay(image, prediction.masks[best : best + 1], [prompt]))
        score = prediction.iou_predictions[best]
        print(f"  {name:7} predicted IoU {score:.2f}, {1000 * seconds:.0f} ms")
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / "demo.png", _grid(panels))
    print(f"point, box, several points, refined mask: {folder / 'demo.png'}")
