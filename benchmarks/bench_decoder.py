"""Prompts to masks beside the reference package's: time and error at equal weights and embedding.

The official layout with random weights: one prompt and a batch to low-resolution logits, and one
click to full-size masks of a 1800 x 1200 picture as `SamPredictor.predict` gives them. Ours through
`Predictor`, in float32 and in bfloat16. Then the default model alone, with how much of its masks
bfloat16 keeps. `--smoke` takes a tiny model (for the tests).
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import anymask
from anymask.core.frames import ImageFrame
from anymask.core.prompts import Prompt
from anymask.evaluation.speed.machine import describe_machine
from anymask.evaluation.speed.reference_package import load_reference
from anymask.evaluation.speed.timing import Times, ratio, take_turns
from anymask.inference.devices import EncoderDtype
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.mask_tensors import mask_ious, upscale_logits
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.config import SamConfig, VitConfig
from anymask.model.features import ImageFeatures
from anymask.model.presets import tiny_vit, vit_b

REFERENCE = "reference"
DTYPES: tuple[EncoderDtype, ...] = ("float32", "bfloat16")
PICTURE_SIZE = (1200, 1800)


def official_layout() -> SamConfig:
    """The decoder of the released models behind an encoder of one block, which is not used."""
    return dataclasses.replace(vit_b(), image_encoder=VitConfig(depth=1, global_blocks=(0,)))


def random_embedding(predictor: Predictor) -> ImageEmbedding:
    """An embedding of unit variance."""
    config = predictor.model.config
    h = config.grid_size
    generator = torch.Generator().manual_seed(1)
    cells = torch.randn(1, config.embed_dim, h, h, generator=generator)
    return ImageEmbedding(
        features=ImageFeatures(image_embeddings=cells),
        frame=ImageFrame(original_size=PICTURE_SIZE, image_size=config.image_size),
        model_id=predictor.model_id,
    )


def clicks(embedding: ImageEmbedding, count: int) -> list[Prompt]:
    """One foreground click a prompt."""
    H, W = embedding.frame.original_size
    points = np.random.default_rng(0).uniform(0, 1, (count, 2)) * (W - 1, H - 1)
    return [Prompt(point_coords=[point], point_labels=[1]) for point in points]


def reference_predictor(predictor: Predictor, embedding: ImageEmbedding) -> Any:
    """The package's `SamPredictor` with the same weights, which has seen the embedding."""
    package, sam = load_reference(predictor.model)
    theirs = package.SamPredictor(sam)
    theirs.features = embedding.features.image_embeddings
    theirs.original_size = embedding.frame.original_size
    theirs.input_size = embedding.frame.input_size
    theirs.is_image_set = True
    return theirs


def reference_logits(theirs: Any, points: list[Prompt]) -> Tensor:
    """(P, 3, 4h, 4w) by the reference's two modules."""
    sam = theirs.model
    coords = np.stack([p.point_coords for p in points])
    coords = torch.from_numpy(theirs.transform.apply_coords(coords, theirs.original_size)).float()
    labels = torch.ones(coords.shape[:2], dtype=torch.int64)
    sparse, dense = sam.prompt_encoder(points=(coords, labels), boxes=None, masks=None)
    logits, _ = sam.mask_decoder(
        image_embeddings=theirs.features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    return logits


def our_logits(predictor: Predictor, embedding: ImageEmbedding, points: list[Prompt]) -> Tensor:
    """(P, 3, 4h, 4w)."""
    side = predictor.model.config.mask_size
    packed = pack_prompts(points, embedding.frame, side, predictor.device)
    return predictor.decode(embedding, packed, multimask_output=True).low_res_logits


def our_masks(predictor: Predictor, embedding: ImageEmbedding, click: Prompt) -> Any:
    """(3, H, W) bool."""
    return predictor.predict(embedding, click, multimask_output=True).masks


def summarise(times: dict[str, Times], num_prompts: int, base: str) -> dict[str, Any]:
    """Milliseconds a prompt, and ratios to `base` with their range."""
    return {
        name: {
            "milliseconds": 1000 * taken.median / num_prompts,
            "ratio": dataclasses.asdict(ratio(times[base], taken)),
        }
        for name, taken in times.items()
    }


def compare(config: SamConfig, num_prompts: int, rounds: int) -> dict[str, Any]:
    """Ours beside the reference; errors are the largest, and relative to the logits' spread."""
    model = build_sam(config, seed=0)
    ours = {dtype: Predictor(model, "bench", "cpu", dtype) for dtype in DTYPES}
    embeddings = {dtype: random_embedding(predictor) for dtype, predictor in ours.items()}
    embedding = embeddings["float32"]
    theirs = reference_predictor(ours["float32"], embedding)
    report = {}
    for count in (1, num_prompts):
        points = clicks(embedding, count)
        actions = {REFERENCE: partial(reference_logits, theirs, points)} | {
            dtype: partial(our_logits, predictor, embeddings[dtype], points)
            for dtype, predictor in ours.items()
        }
        times = take_turns(actions, max(2, rounds // min(count, 8)))
        rows = summarise(times, count, REFERENCE)
        exact = actions[REFERENCE]()
        for name, action in actions.items():
            difference = action() - exact
            rows[name]["max_abs_error"] = float(difference.abs().max())
            rows[name]["error_over_spread"] = float(difference.std() / exact.std())
        report[f"{count} to logits"] = rows
    (click,) = clicks(embedding, 1)
    full_size: dict[str, Callable[[], object]] = {
        REFERENCE: lambda: theirs.predict(click.point_coords, click.point_labels)
    }
    full_size |= {
        dtype: partial(our_masks, predictor, embeddings[dtype], click)
        for dtype, predictor in ours.items()
    }
    report["1 to full-size masks"] = summarise(take_turns(full_size, rounds), 1, REFERENCE)
    return report


def default_model(num_prompts: int, rounds: int) -> dict[str, Any]:
    """The default model alone on a photo, with the IoU of bfloat16's masks with float32's."""
    import skimage

    model, model_id = load_sam(None)
    ours = {dtype: Predictor(model, model_id, "cpu", dtype) for dtype in DTYPES}
    image = anymask.read_image(Path(skimage.__file__).parent / "data" / "coffee.png")
    # of one encoder, so that the masks differ by the decoder alone
    embedding = ours["float32"].embed(image)
    embeddings = {dtype: dataclasses.replace(embedding) for dtype in DTYPES}
    report: dict[str, Any] = {}
    for count in (1, num_prompts):
        points = clicks(embedding, count)
        actions = {
            dtype: partial(our_logits, predictor, embeddings[dtype], points)
            for dtype, predictor in ours.items()
        }
        times = take_turns(actions, max(2, rounds // min(count, 8)))
        rows = summarise(times, count, "float32")
        masks = (
            torch.stack([upscale_logits(x, embedding.frame) > 0 for x in action().flatten(0, 1)])
            for action in actions.values()
        )
        ious = mask_ious(*masks).diagonal()
        rows["bfloat16"] |= {"mean_iou": float(ious.mean()), "worst_iou": float(ious.min())}
        report[f"{count} to logits"] = rows
    click = clicks(embedding, 1)[0]
    full_size = {
        dtype: partial(our_masks, predictor, embeddings[dtype], click)
        for dtype, predictor in ours.items()
    }
    report["1 to full-size masks"] = summarise(take_turns(full_size, rounds), 1, "float32")
    return report


@torch.inference_mode()
def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20, help="for one prompt; fewer for many")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, prompts, rounds = official_layout(), args.prompts, args.rounds
    if args.smoke:
        config, prompts, rounds = tiny_vit(), 3, 2
    result = {
        "machine": describe_machine().describe(),
        "official layout": compare(config, prompts, rounds),
        "default model": default_model(prompts, rounds),
    }
    if args.json:
        print(json.dumps(result))
        return
    print(result.pop("machine"))
    for model, cases in result.items():
        for case, rows in cases.items():
            for name, row in rows.items():
                spread = "{median:.2f} ({low:.2f} to {high:.2f})".format(**row["ratio"])
                rest = [f"{k} {v:.3g}" for k, v in row.items() if isinstance(v, float)][1:]
                milliseconds = f"{row['milliseconds']:7.1f} ms a prompt"
                print(f"{model}, {case:20} {name:10} {milliseconds}  x {spread}", *rest, sep="  ")


if __name__ == "__main__":
    main()
