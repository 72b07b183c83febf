"""The paper's main design claims at small scale: which of them a model of minutes already shows.

Four questions, each answered by training a small model with one thing changed:
  masks    three masks and the minimum loss, three with the mean loss, or one mask (Sec. 3)
  ranking  how much of the oracle's choice among three masks the predicted IoU recovers
  rounds   how many rounds of simulated clicks a training step has (App. A)
  data     how many labelled photos there are (Fig. 13)

`python benchmarks/ablations.py -o runs/ablations` trains what is missing in the folder (a stopped
run goes on), then writes rows.json, table.md and ablations.png. The photos are the training sets
under ANYMASK_DATA (default ../shared/data); a tenth of each set is held out and clicked.
"""

import argparse
import dataclasses
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from anymask.core.files import write_json
from anymask.dataset.coco_folder import read_coco_folder
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.sets import find_sets
from anymask.evaluation.point_to_mask import REPORTED_CLICKS, evaluate_points
from anymask.evaluation.protocol import SetScores
from anymask.evaluation.sampling import SampleLimits, select_masks
from anymask.evaluation.summary import summarise
from anymask.inference.loading import load_predictor
from anymask.model.checkpoints import build_sam
from anymask.model.config import ConvConfig, SamConfig
from anymask.model.sam import Sam
from anymask.training.config import (
    AugmentConfig,
    LossConfig,
    OptimConfig,
    PromptConfig,
    Stage,
    TrainConfig,
)
from anymask.training.loop import train
from anymask.training.sam_objective import SamObjective

IMAGE_SIZE = 128
SETS = ("coco_a", "coco_b", "duts_tr", "sysu_shape", "oxford_pets_sub", "human_seg")
HELD_OUT = 0.1
MINI = SamConfig(
    name="mini",
    image_size=IMAGE_SIZE,
    image_encoder=ConvConfig(
        stem_width=16, widths=(32, 48, 72, 96), depths=(1, 2, 2), attention_depth=1, num_heads=4
    ),
    embed_dim=64,
    decoder_num_heads=2,
    decoder_mlp_dim=128,
    decoder_attention_downsample=1,
    iou_head_dim=64,
    activation="relu",
    high_res_features=True,
    prompt_maps=True,
    refine_depth=2,
    iou_sigmoid=True,
    iou_from_mask=True,
)
# The paper's losses: only the best of three masks learns.
MINIMUM = LossConfig(other_masks_weight=0.0, iou_error="squared")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One trained model: what differs from the base, and how much of the data it sees."""

    name: str
    label: str
    model: SamConfig = MINI
    loss: LossConfig = MINIMUM
    rounds: tuple[int, int] = (1, 4)
    data_fraction: float = 1.0


VARIANTS = (
    Variant(name="base", label="three masks, minimum loss"),
    Variant(
        name="mean_loss",
        label="three masks, mean loss",
        loss=dataclasses.replace(MINIMUM, other_masks_weight=2 / 3),
    ),
    Variant(
        name="one_mask",
        label="one mask",
        model=dataclasses.replace(MINI, num_multimask_outputs=1),
    ),
    Variant(
        name="token_head",
        label="IoU from one token",
        model=dataclasses.replace(MINI, iou_from_mask=False),
    ),
    Variant(name="rounds_1", label="1 round", rounds=(1, 1)),
    Variant(name="rounds_8", label="8 rounds", rounds=(8, 8)),
    Variant(name="data_5", label="5 % of the photos", data_fraction=0.05),
    Variant(name="data_25", label="25 % of the photos", data_fraction=0.25),
)


class MiniObjective(SamObjective):
    """SAM training of a model that has no preset."""

    def __init__(self, config: TrainConfig, folder: Path, model: SamConfig) -> None:
        super().__init__(config, [folder])
        self._model = model

    def build_model(self) -> Sam:
        """The variant's model."""
        return build_sam(self._model, seed=self.config.seed)


def train_config(variant: Variant, num_steps: int, seed: int) -> TrainConfig:
    """The common recipe with the variant's changes."""
    low, high = variant.rounds
    return TrainConfig(
        model="tiny",  # not read: MiniObjective builds the model
        stages=(Stage(end_step=num_steps, image_size=IMAGE_SIZE, batch_size=8),),
        seed=seed,
        masks_per_image=3,
        min_mask_fraction=0.003,
        validation_fraction=0.0,
        validate_every=num_steps,
        checkpoint_every=max(1, num_steps // 4),
        augment=AugmentConfig(min_scale=0.9, max_scale=1.6),
        prompts=PromptConfig(min_rounds=low, max_rounds=high, box_probability=0.3),
        loss=variant.loss,
        optim=OptimConfig(learning_rate=1e-3, warmup_steps=num_steps // 10, ema_decay=0.995),
    )


def split(data: Path, folder: Path, data_fraction: float) -> tuple[Path, Path]:
    """Folders of sets to train on and held out: links to photos, and their share of the JSON."""
    for name, source in find_sets(data / "train").items():
        if name not in SETS:
            continue
        content = json.loads(gzip.decompress((source / "masks.json.gz").read_bytes()))
        place = {row["id"]: unit_hash(f"{name}/{row['file_name']}") for row in content["images"]}
        kept = HELD_OUT + data_fraction * (1 - HELD_OUT)
        parts = {
            folder / f"train_{data_fraction}": [
                i for i, x in place.items() if HELD_OUT <= x < kept
            ],
            folder / "held_out": [i for i, x in place.items() if x < HELD_OUT],
        }
        for part, ids in parts.items():
            write_part(part / name, source, content, set(ids))
    return folder / f"train_{data_fraction}", folder / "held_out"


def write_part(target: Path, source: Path, content: dict[str, Any], ids: set[int]) -> None:
    """A set that has only these images."""
    if not ids or (target / "masks.json.gz").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    (target / "images").symlink_to((source / "images").resolve())
    rows = {
        "images": [row for row in content["images"] if row["id"] in ids],
        "annotations": [row for row in content["annotations"] if row["image_id"] in ids],
    }
    (target / "masks.json.gz").write_bytes(gzip.compress(json.dumps(content | rows).encode()))


def unit_hash(text: str) -> float:
    """A number in [0, 1) that only depends on the text."""
    return zlib.crc32(text.encode()) / 2**32


def held_out_images(folder: Path, limits: SampleLimits) -> Iterator[LabelledImage]:
    """Held-out photos of all sets, with their larger masks (the model sees 128 pixels)."""
    for path in find_sets(folder).values():
        images = []
        for image in read_coco_folder(path):
            H, W = image.original_size
            masks = tuple(m for m in image.masks if m.rle.area > 0.003 * max(H, W) ** 2)
            images.append(dataclasses.replace(image, masks=masks))
        yield from select_masks(images, limits)


def measure(weights: Path, images: list[LabelledImage]) -> dict[str, Any]:
    """Every figure of one model, with its interval."""
    scores = evaluate_points(load_predictor(str(weights), "cpu"), "held out", images)
    rows = {row.metric: [row.value, row.low, row.high] for row in summarise([scores])}
    return rows | {"miou_1_random": random_choice(scores)}


def random_choice(scores: SetScores) -> list[float]:
    """The mean IoU of a mask drawn at random from those of the first click."""
    return [float(np.mean(scores.true_ious))]


def run_variant(
    variant: Variant, data: Path, output: Path, num_steps: int, seed: int, limits: SampleLimits
) -> dict[str, Any]:
    """Trains and measures one variant, or reads what an earlier run measured."""
    folder = output / f"{variant.name}-{seed}"
    result_path = folder / "result.json"
    if result_path.exists():
        return dict(json.loads(result_path.read_text()))
    train_folder, held_out = split(data, output / "data", variant.data_fraction)
    config = train_config(variant, num_steps, seed)
    run = train(MiniObjective(config, train_folder, variant.model), folder)
    num_photos = sum(len(read_coco_folder(path)) for path in find_sets(train_folder).values())
    result = {
        "name": variant.name,
        "label": variant.label,
        "seed": seed,
        "num_steps": num_steps,
        "num_photos": num_photos,
        "metrics": measure(run.weights_path, list(held_out_images(held_out, limits))),
    }
    write_json(result_path, result)
    return result


def metric(rows: list[dict[str, Any]], name: str, key: str) -> float:
    """A variant's figure, the mean over seeds."""
    return float(np.mean([row["metrics"][key][0] for row in rows if row["name"] == name]))


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Four panels, one a question."""
    figure, axes = plt.subplots(1, 4, figsize=(17, 4.2), layout="constrained")
    masks, ranking, rounds, data = axes
    labels = {v.name: v.label for v in VARIANTS} | {"base": "three masks,\nminimum loss"}
    names = ["one_mask", "mean_loss", "base"]
    for offset, (key, text) in enumerate(
        (("miou_1", "best predicted"), ("miou_1_oracle", "oracle"))
    ):
        values = [metric(rows, name, key) for name in names]
        bars = masks.bar(np.arange(3) + 0.4 * offset, values, width=0.38, label=text)
        masks.bar_label(bars, fmt="%.2f")
    masks.set_xticks(np.arange(3) + 0.2, [labels[n].replace(", ", ",\n") for n in names])
    masks.set_title("One ambiguous click")
    masks.legend(loc="lower right")

    keys = {"miou_1_random": "random", "miou_1": "best predicted", "miou_1_oracle": "oracle"}
    for offset, name in enumerate(("token_head", "base")):
        text = "IoU from one token" if name == "token_head" else "IoU from the mask"
        values = [metric(rows, name, key) for key in keys]
        bars = ranking.bar(np.arange(3) + 0.4 * offset, values, width=0.38, label=text)
        ranking.bar_label(bars, fmt="%.2f")
    ranking.set_xticks(np.arange(3) + 0.2, list(keys.values()))
    ranking.set_title("Which of the three masks is chosen")
    ranking.legend(loc="lower right")

    for name, text in (
        ("rounds_1", "1 round"),
        ("base", "1 to 4 rounds"),
        ("rounds_8", "8 rounds"),
    ):
        values = [metric(rows, name, f"miou_{n}") for n in REPORTED_CLICKS]
        rounds.plot(REPORTED_CLICKS, values, marker="o", label=text)
    rounds.set_xticks(REPORTED_CLICKS)
    rounds.set_xlabel("clicks at test time")
    rounds.set_title("Rounds of clicks in training")
    rounds.legend(loc="lower right")

    photos = {row["name"]: row["num_photos"] for row in rows}
    order = ["data_5", "data_25", "base"]
    for key, text in (("miou_1_oracle", "1 click, oracle"), ("miou_3", "3 clicks")):
        data.plot(
            [photos[n] for n in order], [metric(rows, n, key) for n in order], "o-", label=text
        )
    data.set_xscale("log")
    data.set_xticks([photos[n] for n in order], [str(photos[n]) for n in order])
    data.minorticks_off()
    data.set_xlabel("training photos")
    data.set_title("Photos, at equal steps")
    data.legend(loc="lower right")
    for axis in axes:
        axis.set_ylabel("mIoU, held-out photos")
        axis.grid(axis="y", alpha=0.3)
        axis.set_ylim(0, 1.1 * axis.get_ylim()[1])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: every run and its figures, with 95 % intervals over images."""
    columns = {
        "miou_1": "1 click",
        "miou_1_oracle": "1 click, oracle",
        "miou_3": "3 clicks",
        "miou_9": "9 clicks",
        "iou_prediction_correlation": "IoU correlation",
    }
    lines = [
        "| variant | seed | photos | " + " | ".join(columns.values()) + " |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    for row in rows:
        cells = ["{:.3f} [{:.2f}, {:.2f}]".format(*row["metrics"][key]) for key in columns]
        lines.append(
            f"| {row['label']} | {row['seed']} | {row['num_photos']} | {' | '.join(cells)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Trains, measures, plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[v.name for v in VARIANTS])
    parser.add_argument("--max-images", type=int, default=40, help="held-out photos of a set")
    args = parser.parse_args()
    data = Path(os.environ.get("ANYMASK_DATA", "../shared/data"))
    limits = SampleLimits(max_images=args.max_images, max_masks_per_image=4)
    rows = []
    for seed in range(args.seeds):
        for variant in VARIANTS:
            if not args.only or variant.name in args.only:
                row = run_variant(variant, data, args.output, args.steps, seed, limits)
                rows.append(row)
                print(table([row]).splitlines()[-1], flush=True)
    write_json(args.output / "rows.json", rows)
    (args.output / "table.md").write_text(table(rows))
    if not args.only:
        plot(rows, args.output / "ablations.png")
        print(args.output / "ablations.png")


if __name__ == "__main__":
    main()
