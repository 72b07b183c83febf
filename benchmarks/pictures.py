"""The pictures of the model card: the default model beside GrabCut, where it works and where not.

Only photographs that ship with scikit-image (public domain or CC0) are shown.
Run `python benchmarks/pictures.py docs/images`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import anymask
from anymask.evaluation.grabcut import grabcut_mask
from anymask.inference.overlay import draw_overlay

PHOTOS = Path(skimage.__file__).parent / "data"
HEIGHT = 240  # of a panel, in pixels
COLUMNS = ("GrabCut, from the box", "anymask, from the box", "anymask, one click (best predicted)")
Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A thing in a photo: a box round it, xyxy, and a click on it, xy."""

    photo: str
    box: tuple[float, float, float, float]
    click: tuple[float, float]


# Drawn by hand before any model had seen them.
SCENES = (
    Scene(photo="rocket.jpg", box=(304, 125, 340, 382), click=(321, 200)),
    Scene(photo="coffee.png", box=(74, 66, 482, 390), click=(140, 280)),
    Scene(photo="coffee.png", box=(172, 12, 432, 304), click=(300, 235)),
    Scene(photo="astronaut.png", box=(20, 14, 364, 512), click=(220, 330)),
    Scene(photo="astronaut.png", box=(278, 342, 512, 512), click=(340, 420)),
    Scene(photo="camera.png", box=(0, 62, 300, 512), click=(110, 300)),
    Scene(photo="chelsea.png", box=(133, 84, 208, 148), click=(165, 120)),
    Scene(photo="coins.png", box=(22, 28, 62, 72), click=(40, 50)),
)


def scene_panels(predictor: anymask.CloseUpPredictor, scene: Scene) -> list[Picture]:
    """GrabCut from the box, the model from the box, the model from the click."""
    image = anymask.read_image(PHOTOS / scene.photo)
    embedding = predictor.embed(image)
    box = anymask.Prompt(box=scene.box)
    click = anymask.Prompt(point_coords=[scene.click], point_labels=[1])
    panels = [draw_overlay(image, [grabcut_mask(image, np.array(scene.box))], [box])]
    for prompt in (box, click):
        (prediction,) = predictor.predict(embedding, [prompt])
        panels.append(draw_overlay(image, [prediction.masks[prediction.best]], [prompt]))
    return panels


def grid(rows: list[list[Picture]], titles: tuple[str, ...]) -> Image.Image:
    """Rows of pictures at one height under a line of titles."""
    scaled = []
    for row in rows:
        images = [Image.fromarray(panel) for panel in row]
        sizes = [(round(image.width * HEIGHT / image.height), HEIGHT) for image in images]
        scaled.append(
            [
                image.resize(size, Image.Resampling.LANCZOS)
                for image, size in zip(images, sizes, strict=True)
            ]
        )
    width = max(panel.width for row in scaled for panel in row)
    page = Image.new("RGB", (len(titles) * (width + 6), 26 + len(rows) * (HEIGHT + 6)), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(15)
    for column, title in enumerate(titles):
        draw.text((column * (width + 6) + 4, 4), title, fill="black", font=font)
        for index, row in enumerate(scaled):
            page.paste(row[column], (column * (width + 6), 26 + index * (HEIGHT + 6)))
    return page


def main() -> None:
    """Writes `beside-grabcut.jpg` into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="name or path (default: the default model)")
    args = parser.parse_args()
    predictor = anymask.CloseUpPredictor(anymask.load_model(args.model))
    rows = [scene_panels(predictor, scene) for scene in SCENES]
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / "beside-grabcut.jpg"
    grid(rows, COLUMNS).save(path, quality=85)
    print(path)


if __name__ == "__main__":
    main()
