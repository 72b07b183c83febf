"""How fast training data are read, on one thread: each layout, archives, and training views.

Photographs of SA-1B's size (1500 x 2250, a hundred masks) are made from scikit-image's. The figures
that matter are ratios to plain work on the same files, in the same run. Times are the processor's,
so that other work on the machine does not count:

    python benchmarks/bench_data.py
"""

import argparse
import gzip
import io
import itertools
import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from skimage import data, measure

from anymask.core.image_io import read_image
from anymask.core.rle import Rle
from anymask.dataset.sa1b import parse_sa1b
from anymask.dataset.sets import read_set
from anymask.dataset.shard_stream import ShardStream, StreamDraw
from anymask.dataset.shards import read_pairs
from anymask.training.batches import make_batch
from anymask.training.config import Stage, TrainConfig
from anymask.training.examples import ExampleSet, ImageCache
from anymask.training.presets import paper_vit_b, small

SIZE = (1500, 2250)
NUM_COPIES = 4  # of each image in an archive
NUM_MASKS = 100


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="once, on little (for the tests)")
    is_smoke = parser.parse_args().smoke
    print(f"Pillow with libjpeg-turbo {features.version('libjpeg_turbo')}, one thread")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [make_pair(i) for i in range(1 if is_smoke else 6)]
        shards = write_archives(folder, pairs)
        bench_readers(folder, pairs[:2])
        for shard in shards:
            bench_archive(shard)
        bench_views(shards[0], 1 if is_smoke else 6)


def make_pair(number: int) -> tuple[bytes, list[NDArray[np.bool_]]]:
    """A JPEG and masks whose areas spread like SA-1B's: most small, a few large."""
    rng = np.random.default_rng(number)
    photo = Image.fromarray((data.coffee(), data.astronaut(), data.chelsea())[number % 3])
    photo = photo.resize(SIZE[::-1], Image.Resampling.BICUBIC)
    noise = rng.normal(0, 4, (*SIZE, 3))  # an enlarged photograph is too smooth to be slow
    pixels = np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=90)
    return stream.getvalue(), [draw_mask(rng) for _ in range(NUM_MASKS)]


def draw_mask(rng: np.random.Generator) -> NDArray[np.bool_]:
    """A star of random size and place, with a hole or without."""
    radius = float(np.exp(rng.uniform(np.log(12), np.log(500))))
    y, x = int(rng.integers(SIZE[0])), int(rng.integers(SIZE[1]))
    reach = int(1.3 * radius)
    top, bottom = max(0, y - reach), min(SIZE[0], y + reach)
    left, right = max(0, x - reach), min(SIZE[1], x + reach)
    rows, columns = np.ogrid[top - y : bottom - y, left - x : right - x]
    distance = np.hypot(rows, columns)
    edge = radius * (1 + 0.2 * np.sin(np.arctan2(rows, columns) * rng.integers(3, 12)))
    mask = np.zeros(SIZE, bool)
    hole = 0.3 * radius * rng.integers(2)
    mask[top:bottom, left:right] = (distance < edge) & (distance > hole)
    return mask


def record_of(number: int, masks: list[NDArray[np.bool_]]) -> bytes:
    """SA-1B's JSON of them."""
    annotations = [
        {"id": i, "area": int(mask.sum()), "segmentation": Rle.from_mask(mask).to_coco()}
        for i, mask in enumerate(masks)
    ]
    image = {"image_id": number, "width": SIZE[1], "height": SIZE[0], "file_name": f"{number}.jpg"}
    return json.dumps({"image": image, "annotations": annotations}).encode()


def write_archives(folder: Path, pairs: list[tuple[bytes, list[NDArray[np.bool_]]]]) -> list[str]:
    """The same images as a tar file and as a gzip named .tar, several times over."""
    stream = io.BytesIO()
    records = [record_of(i, masks) for i, (_, masks) in enumerate(pairs)]
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for copy, (i, (image, _)) in itertools.product(range(NUM_COPIES), enumerate(pairs)):
            for suffix, content in (("jpg", image), ("json", records[i])):
                info = tarfile.TarInfo(f"./sa_{copy * len(pairs) + i}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    paths = [folder / "plain.tar", folder / "gzip.tar"]
    paths[0].write_bytes(stream.getvalue())
    paths[1].write_bytes(gzip.compress(stream.getvalue(), 1))
    return [str(path) for path in paths]


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """Processor seconds of the best of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def bench_readers(folder: Path, pairs: list[tuple[bytes, list[NDArray[np.bool_]]]]) -> None:
    """Images a second of reading whole sets (masks to run lengths; headers of the images)."""
    coco, lvis, png, sa1b = (folder / name for name in ("coco", "lvis", "png", "sa1b"))
    for layout in (coco, lvis, png):
        (layout / "images").mkdir(parents=True)
    sa1b.mkdir()
    images, coded, outlined = [], [], []
    for i, (image, masks) in enumerate(pairs):
        for path in (
            *(layout / "images" / f"{i}.jpg" for layout in (coco, lvis, png)),
            sa1b / f"sa_{i}.jpg",
        ):
            path.write_bytes(image)
        (sa1b / f"sa_{i}.json").write_bytes(record_of(i, masks))
        (png / "masks" / str(i)).mkdir(parents=True)
        images.append({"id": i, "file_name": f"{i}.jpg", "width": SIZE[1], "height": SIZE[0]})
        for mask in masks:
            Image.fromarray(mask).save(png / "masks" / str(i) / f"{len(coded)}.png")
            base = {"id": len(coded), "image_id": i, "category_id": 1}
            coded.append({**base, "segmentation": Rle.from_mask(mask).to_coco()})
            outlines = [np.flip(c, 1) for c in measure.find_contours(np.pad(mask, 1), 0.5)]
            outlined.append({**base, "segmentation": [c.ravel().tolist() for c in outlines]})
    content = {"images": images, "categories": [{"id": 1, "name": "blob"}]}
    (coco / "annotations.json").write_text(json.dumps({**content, "annotations": coded}))
    (lvis / "lvis_v1_val.json").write_text(json.dumps({**content, "annotations": outlined}))
    print(f"\nreading a set of {len(pairs)} images of {SIZE}, {NUM_MASKS} masks each")
    for layout, what in (
        (coco, "COCO, coded masks"),
        (lvis, "LVIS, polygons of all edge pixels"),
        (png, "a PNG an object"),
        (sa1b, "SA-1B files"),
    ):
        rate = len(pairs) / seconds(lambda layout=layout: read_set(layout), 2)
        print(f"  {what:36} {rate:8.1f} images/s  {rate * NUM_MASKS:9.0f} masks/s")


def bench_archive(shard: str) -> None:
    """An archive from front to back, with all bytes and with the headers alone."""
    megabytes = Path(shard).stat().st_size / 1e6

    def walk(is_wanted: bool) -> int:
        pairs = read_pairs(shard, set_aside=print, is_wanted=lambda _: is_wanted)
        return sum(1 for _ in pairs)

    count = walk(False)
    whole, headers = (seconds(lambda w=w: walk(w)) for w in (True, False))
    print(f"\n{Path(shard).name}: {count} pairs, {megabytes:.0f} MB")
    print(f"  all bytes      {count / whole:9.0f} pairs/s  {megabytes / whole:7.0f} MB/s")
    print(f"  headers alone  {count / headers:9.0f} pairs/s")


def bench_views(shard: str, repeats: int) -> None:
    """Training views a second against decoding each image and all its masks."""
    for config, image_size in ((small(), 256), (small(), 512), (paper_vit_b(), 1024)):
        stage = Stage(end_step=1000, image_size=image_size, batch_size=4)
        ours, theirs = view_seconds(shard, replace(config, stages=(stage,)), repeats)
        print(
            f"\nviews of {image_size}, {config.masks_per_image} masks each, of plain.tar: "
            f"median {1 / ours:.1f} a second; all decoded: {1 / theirs:.1f}; "
            f"{theirs / ours:.1f} times as fast"
        )


def view_seconds(shard: str, config: TrainConfig, repeats: int) -> tuple[float, float]:
    """Seconds a view, and of decoding an image, its masks, and resizing them."""
    stream = ShardStream(
        shards=(shard,),
        num_lanes=4,
        buffer_size=8,
        seed=0,
        validation_fraction=0.0,
        set_aside=print,
    )
    examples = ExampleSet(examples=(), probabilities=np.zeros(0), stream=stream)
    draws = stepwise(stream)
    steps = itertools.count()
    side = (config.stages[0].image_size,) * 2

    def views() -> None:
        make_batch(examples, ImageCache(), config, next(steps), streamed=next(draws))

    def plain() -> None:
        for draw in next(draws).values():
            Image.fromarray(read_image(draw.pair.image)).resize(side, Image.Resampling.BILINEAR)
            for rle in parse_sa1b(draw.pair.record).masks:
                Image.fromarray(rle.to_mask()).resize(side, Image.Resampling.NEAREST)

    views()  # fills the buffers
    ours = statistics.median(seconds(views, 1) for _ in range(repeats)) / 4
    theirs = statistics.median(seconds(plain, 1) for _ in range(-(-repeats // 3))) / 4
    return ours, theirs


def stepwise(stream: ShardStream) -> Iterator[dict[int, StreamDraw]]:
    """What the stream gives to one row a lane, step by step."""
    lanes = [stream.lane(i) for i in range(stream.num_lanes)]
    while True:
        yield {row: next(lane) for row, lane in enumerate(lanes)}


if __name__ == "__main__":
    main()
