"""Fits the predicted-IoU head of the default model alone, on what it sees of labelled photographs.

In training the head learns from augmented views, a few masks at a time, and its inputs have spreads
that differ a hundredfold; it hardly ranks small objects (docs/experiments.md, 18). Here the model
is frozen. Photographs are encoded whole, as a user's are, and parts of them from close by, as
`CloseUpPredictor` does; masks are asked for by a click in their middle and by their box; what the
head sees of the four answers is kept beside their true IoU. Then
the head is fitted to that from random weights: inputs standardised (folded into its first layer
afterwards), features dropped at random, the step with the best held-out ranking kept.

    python benchmarks/fit_iou_head.py runs/small/weights.safetensors DATA -o fitted.safetensors

`--smoke` takes a few photographs and steps, for the tests.
"""

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from anymask.core.close_up import Region, region_around, region_around_click, size_fraction
from anymask.core.geometry import mask_to_box
from anymask.core.prompts import Prompt
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.place_random import unit_hash
from anymask.dataset.sets import find_sets, read_set
from anymask.evaluation.clicker import next_click
from anymask.evaluation.sampling import read_labelled_image
from anymask.inference.close_up import CLICK_FRACTION, MARGIN
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoints import load_sam, save_sam
from anymask.model.mask_quality import NUM_STATISTICS, MaskQuality

HELD_OUT = 0.03  # the training's own split
PHOTOS_OF_SET = {"coco_a": 400, "coco_b": 400, "duts_tr": 260, "ccp": 110}
OTHER_PHOTOS = 50
MASKS_OF_PHOTO = 10
CLOSE_UPS_OF_PHOTO = 4
LEAST_PIXELS = 20  # of a mask in the model's frame
FEATURE_DROPOUT = 0.6
SLOTS = 4  # the single mask and the three of an ambiguous prompt


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What the head sees of R answers and how good they are.

    Attributes:
        inputs: (R, C) float16.
        true_ious: (R,).
        is_box: (R,) bool, asked by a box; else by a click.
    Rows come in fours: the single mask, then the three.
    """

    inputs: Tensor
    true_ious: Tensor
    is_box: Tensor


def photographs(data: Path, rng: np.random.Generator) -> tuple[list[LabelledImage], ...]:
    """Photographs to fit on and held-out ones, of every set."""
    to_fit, held_out = [], []
    for name, path in find_sets(data).items():
        images = [image for image in read_set(path) if image.masks]
        is_out = [unit_hash(f"{name}/{image.path.name}") < HELD_OUT for image in images]
        own = [image for image, out in zip(images, is_out, strict=True) if not out]
        rng.shuffle(own)  # type: ignore[arg-type]
        to_fit += own[: PHOTOS_OF_SET.get(name, OTHER_PHOTOS)]
        held_out += [image for image, out in zip(images, is_out, strict=True) if out][:30]
    return to_fit, held_out


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A part of a photograph, embedded, and P questions about it.

    Attributes:
        embedding: of the part.
        prompts: P, in pixels of the part.
        truths: (P, h, w) bool, what was asked for, in the model's frame.
        hidden: (P,) its area outside the part, in pixels of that frame.
        is_box: asked by boxes; else by clicks.
    """

    embedding: ImageEmbedding
    prompts: list[Prompt]
    truths: Tensor
    hidden: Tensor
    is_box: bool


@torch.inference_mode()
def look(predictor: Predictor, images: list[LabelledImage], rng: np.random.Generator) -> Seen:
    """What the head sees of the answers about these photographs."""
    head = predictor.model.mask_decoder.iou_prediction_head
    assert isinstance(head, MaskQuality)
    caught: list[Tensor] = []
    hook = head.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].half()))
    ious, is_box = [], []
    for image in tqdm(images, unit="photo", disable=None):
        chosen = rng.permutation(len(image.masks))[:MASKS_OF_PHOTO]
        masks = [image.masks[i].rle.to_mask() for i in chosen]
        for view in views(predictor, read_labelled_image(image), masks):
            ious.append(true_ious(predictor, view).flatten())
            is_box.append(torch.full((len(ious[-1]),), view.is_box))
    hook.remove()
    return Seen(
        inputs=torch.cat([rows.flatten(0, 1) for rows in caught]),
        true_ious=torch.cat(ious),
        is_box=torch.cat(is_box),
    )


def views(
    predictor: Predictor, pixels: NDArray[np.uint8], masks: list[NDArray[np.bool_]]
) -> Iterator[View]:
    """The whole photograph, asked for all masks, and what `CloseUpPredictor` looks at for some."""
    height, width = pixels.shape[:2]
    whole = predictor.embed(pixels)
    usable = [mask for mask in masks if shrunk(mask, whole.frame.input_size).sum() > LEAST_PIXELS]
    clicks = [next_click(mask) for mask in usable]
    points = [(click.x, click.y) for click in clicks if click]
    boxes = [mask_to_box(mask) for mask in usable]
    if usable:
        entire = (0, 0, width, height)
        yield view(whole, entire, usable, [Prompt(point_coords=[point]) for point in points], False)
        yield view(whole, entire, usable, [Prompt(box=box) for box in boxes], True)
    for mask, point, box in list(zip(usable, points, boxes, strict=True))[:CLOSE_UPS_OF_PHOTO]:
        region = region_around_click(point, CLICK_FRACTION, (height, width))
        embedding = predictor.embed(cut(pixels, region))
        prompt = Prompt(point_coords=[np.subtract(point, region[:2])])
        yield view(embedding, region, [mask], [prompt], False)
        is_small = size_fraction(box, (height, width)) < predictor.model.config.close_up_fraction
        if is_small:
            region = region_around(box, MARGIN, (height, width))
            embedding = predictor.embed(cut(pixels, region))
            prompt = Prompt(box=box - np.tile(region[:2], 2))
            yield view(embedding, region, [mask], [prompt], True)


def view(
    embedding: ImageEmbedding,
    region: Region,
    masks: list[NDArray[np.bool_]],
    prompts: list[Prompt],
    is_box: bool,
) -> View:
    """Questions about a region of a photograph of which `masks` (H, W) are the answers."""
    size = embedding.frame.input_size
    parts = [cut(mask, region) for mask in masks]
    px = size[0] * size[1] / parts[0].size
    hidden = [px * (int(m.sum()) - int(part.sum())) for m, part in zip(masks, parts, strict=True)]
    return View(
        embedding=embedding,
        prompts=prompts,
        truths=torch.stack([shrunk(part, size) for part in parts]),
        hidden=torch.tensor(hidden),
        is_box=is_box,
    )


def true_ious(predictor: Predictor, view: View) -> Tensor:
    """(P, 4) IoU of the single mask and of the three with what was asked for."""
    frame, config = view.embedding.frame, predictor.model.config
    packed = pack_prompts(view.prompts, frame, config.mask_size, predictor.device)
    index = torch.zeros(len(view.prompts), dtype=torch.int64)
    features = view.embedding.features
    decoded = predictor.model.decode(features, packed, index, multimask_output=None)
    side, (height, width) = frame.image_size, frame.input_size
    logits = F.interpolate(decoded.low_res_logits, (side, side), mode="bilinear")
    found = logits[..., :height, :width] > 0
    truth = view.truths.unsqueeze(1)
    union = (found | truth).flatten(2).sum(-1) + view.hidden.unsqueeze(1)
    return (found & truth).flatten(2).sum(-1) / union.clamp_min(1)


def cut(pixels: NDArray[Any], region: Region) -> NDArray[Any]:
    """The region of an array (H, W, ...)."""
    x0, y0, x1, y1 = region
    return np.ascontiguousarray(pixels[y0:y1, x0:x1])


def shrunk(mask: NDArray[np.bool_], size: tuple[int, int]) -> Tensor:
    """The mask at another size, where at least half of a pixel is covered."""
    pixels = torch.from_numpy(mask.astype(np.float32))[None, None]
    return F.interpolate(pixels, size, mode="area")[0, 0] > 0.5


def fit(head: nn.Module, seen: Seen, held_out: Seen, num_steps: int, seed: int) -> dict[str, float]:
    """Fits the head in place, from random weights; the scores of the step that is kept."""
    torch.manual_seed(seed)
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    mean, spread = seen.inputs.float().mean(0), seen.inputs.float().std(0) + 1e-3
    inputs = (seen.inputs.float() - mean) / spread
    held_out_inputs = (held_out.inputs.float() - mean) / spread
    # The statistics of the mask always stay; features are many, and known by heart too soon.
    keep = torch.full((inputs.shape[1],), 1 - FEATURE_DROPOUT)
    keep[-NUM_STATISTICS:] = 1
    weights = torch.where(torch.arange(len(inputs)) % SLOTS == 0, 0.5, 1.0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=num_steps)
    best: tuple[float, dict[str, float], dict[str, Tensor]] = (-np.inf, {}, {})
    for step in tqdm(range(num_steps), unit="step", disable=None):
        rows = torch.randint(len(inputs), (1024,))
        x = inputs[rows] * torch.bernoulli(keep.expand(len(rows), -1)) / keep
        error = head(x)[:, 0].sigmoid() - seen.true_ious[rows]
        optimizer.zero_grad()
        (weights[rows] * error**2).mean().backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, num_steps // 10) == 0:
            found = scores(head, held_out_inputs, held_out)
            rank = found["click_correlation"] + found["box_correlation"] + 2 * found["click"]
            if rank > best[0]:
                best = (rank, found, copy.deepcopy(head.state_dict()))
    head.load_state_dict(best[2])
    first = next(layer for layer in head.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.weight /= spread
        first.bias -= first.weight @ mean
    return best[1]


@torch.no_grad()
def scores(head: nn.Module, inputs: Tensor, seen: Seen) -> dict[str, float]:
    """Correlation of predicted and true IoU of the three; IoU of the one picked, of the best."""
    predicted = torch.cat([head(part)[:, 0].sigmoid() for part in inputs.split(8192)])
    found = {}
    for name, asked in (("click", ~seen.is_box), ("box", seen.is_box)):
        three = predicted[asked].reshape(-1, SLOTS)[:, 1:]
        truth = seen.true_ious[asked].reshape(-1, SLOTS)[:, 1:]
        pairs = torch.stack([three.flatten(), truth.flatten()])
        found[f"{name}_correlation"] = float(torch.corrcoef(pairs)[0, 1])
        found[name] = float(truth.gather(1, three.argmax(1, keepdim=True)).mean())
        found[f"{name}_oracle"] = float(truth.amax(1).mean())
    return found


def main() -> None:
    """Fits, saves, prints the held-out scores before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a checkpoint of the default model")
    parser.add_argument("data", type=Path, help="a labelled set or a folder of them")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    model, model_id = load_sam(args.model)
    head = model.mask_decoder.iou_prediction_head
    if not isinstance(head, MaskQuality):
        raise SystemExit(f"model must predict IoU from its masks, got {model_id}. Train `small`.")
    rng = np.random.default_rng(args.seed)
    to_fit, held_out = photographs(args.data, rng)
    if args.smoke:
        to_fit, held_out = to_fit[:4], to_fit[:2]
    predictor = Predictor(model, model_id)
    seen, seen_held_out = (look(predictor, images, rng) for images in (to_fit, held_out))
    print("before", scores(head.head, seen_held_out.inputs.float(), seen_held_out))
    steps = 10 if args.smoke else 2500
    print("after ", fit(head.head, seen, seen_held_out, steps, args.seed))
    save_sam(model, args.output, dtype="float32")


if __name__ == "__main__":
    main()
