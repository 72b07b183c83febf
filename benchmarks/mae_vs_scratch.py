"""Does masked pre-training help? A small ViT SAM from it, and the same from scratch.

For each seed: pre-train `vit_tiny`'s encoder on photos without masks, then train the SAM twice
with the same settings, steps and data order, from that encoder and from random weights. Both are
looked at on photos that neither the pre-training nor the training saw. Prints a Markdown table and
writes it to OUTPUT/table.md. Runs that were stopped go on; finished ones are not run again.

    python benchmarks/mae_vs_scratch.py LABELLED --photos PHOTOS -o OUTPUT  # over an hour, one core

`--smoke` takes a few steps only, for the tests.
"""

import argparse
import dataclasses
import platform
from pathlib import Path
from typing import Any

import torch

from anymask.core.files import write_bytes
from anymask.dataset.photo_folder import Photo, find_photos
from anymask.training.config import TrainConfig
from anymask.training.examples import read_examples
from anymask.training.loop import train
from anymask.training.photo_batches import PhotoSet
from anymask.training.presets import vit_tiny
from anymask.training.pretrain import Pretraining
from anymask.training.pretrain_config import PretrainConfig, mae_tiny
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import SamObjective

SCORES = ("box", "box_oracle", "click", "click_oracle", "clicks_3")


def pretrain_config(args: argparse.Namespace, seed: int) -> PretrainConfig:
    """The pre-training of one seed; its held-out photos are a part of those it may see."""
    config = dataclasses.replace(
        mae_tiny(), num_steps=args.pretrain_steps, seed=seed, validate_every=args.pretrain_steps
    )
    return dataclasses.replace(config, batch_size=8) if args.smoke else config


def train_config(args: argparse.Namespace, seed: int) -> TrainConfig:
    """The training of one seed, the same for both starts."""
    config = vit_tiny()
    stage = dataclasses.replace(
        config.stages[0], end_step=args.train_steps, batch_size=2 if args.smoke else 16
    )
    return dataclasses.replace(
        config,
        stages=(stage,),
        seed=seed,
        validation_fraction=args.held_out,
        validate_every=max(1, args.train_steps // 4),
    )


def photos_to_see(args: argparse.Namespace, config: TrainConfig) -> list[Photo]:
    """All photographs but those that the SAM is looked at on, so that they are new to both."""
    _, held_out = read_examples(
        args.data, validation_fraction=config.validation_fraction, set_weights={}
    )
    secret = {example.path.resolve() for example in held_out}
    photos = find_photos(args.photos or args.data)
    return [photo for photo in photos if photo.path.resolve() not in secret]


def run_seed(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The scores of both starts, and the pre-training's."""
    config, masked = train_config(args, seed), pretrain_config(args, seed)
    place = args.output / f"seed-{seed}"
    photos = PhotoSet(photos_to_see(args, config), masked)
    mae = train(Pretraining(masked, photos), place / "mae")
    outcome: dict[str, Any] = {"mae": last_scores(mae), "mae_seconds": seconds(mae)}
    for name, init in (("scratch", None), ("from_mae", str(mae.weights_path))):
        run = train(SamObjective(config, args.data, init), place / name)
        outcome[name] = last_scores(run)
        outcome[f"{name}_seconds"] = seconds(run)
    return outcome


def last_scores(folder: RunFolder) -> dict[str, float]:
    """The last validation of a run; empty when it held nothing out."""
    last: dict[str, float] = {}
    for row in folder.read_log():
        last = {key[4:]: value for key, value in row.items() if key.startswith("val_")} or last
    return last


def seconds(folder: RunFolder) -> float:
    """Of all steps, without validations."""
    return float(sum(row["seconds"] for row in folder.read_log()))


def table(outcomes: dict[int, dict[str, Any]], args: argparse.Namespace) -> str:
    """Mean IoU in percent by start, prompt and seed."""
    lines = [
        f"| seed | start | {' | '.join(SCORES)} | seconds of training |",
        "|" + "---|" * (len(SCORES) + 3),
    ]
    gains = []
    for seed, outcome in outcomes.items():
        for name in ("scratch", "from_mae"):
            cells = " | ".join(f"{100 * outcome[name][score]:.1f}" for score in SCORES)
            lines.append(f"| {seed} | {name} | {cells} | {outcome[f'{name}_seconds']:.0f} |")
        gains.append([100 * (outcome["from_mae"][s] - outcome["scratch"][s]) for s in SCORES])
    means = [sum(column) / len(column) for column in zip(*gains, strict=True)]
    lines.append(f"| all | difference | {' | '.join(f'{m:+.1f}' for m in means)} | |")
    losses = ", ".join(
        f"{o['mae']['loss']:.3f} ({o['mae_seconds']:.0f} s)" for o in outcomes.values() if o["mae"]
    )
    return "\n".join(
        [
            f"Mean IoU (%) on held-out photos; {args.train_steps} steps of 16 photos each, after "
            f"{args.pretrain_steps} steps of 64 without masks for `from_mae`.",
            "",
            *lines,
            "",
            f"Held-out loss of the pre-training by seed: {losses or 'none held out'}.",
            f"torch {torch.__version__}, one thread, {platform.machine()}, bfloat16.",
            "",
        ]
    )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help="labelled sets, or folders of them")
    parser.add_argument(
        "--photos", nargs="+", type=Path, help="to pre-train on (default: those of the sets)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--pretrain-steps", type=int, default=3000)
    parser.add_argument("--train-steps", type=int, default=2000)
    parser.add_argument("--held-out", type=float, default=0.1, help="part of the sets")
    parser.add_argument("--smoke", action="store_true", help="two steps, one seed")
    args = parser.parse_args()
    if args.smoke:
        args.pretrain_steps = args.train_steps = 2
        args.seeds = args.seeds[:1]
    torch.set_num_threads(1)
    outcomes = {}
    for seed in args.seeds:
        outcomes[seed] = run_seed(args, seed)
        text = table(outcomes, args)
        write_bytes(args.output / "table.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
