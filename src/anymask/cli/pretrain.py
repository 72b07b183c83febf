"""`anymask pretrain`: masked pre-training of a ViT on a folder of photographs, resumably."""

import argparse
from pathlib import Path

from anymask.cli.train import add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "preset", help="mae_tiny (minutes on a CPU), or the paper's mae_vit_b, mae_vit_l, mae_vit_h"
    )
    parser.add_argument(
        "photos", nargs="+", type=Path, help="folders of images, searched to the bottom; no labels"
    )
    parser.add_argument(
        "--epochs", type=float, help="rounds through the photos (default: the preset's steps)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. batch_size=128 or optim.learning_rate=5e-4",
    )
    parser.add_argument("--seed", type=int, help="seed of crops, hidden patches and first weights")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Trains, and prints where the results are and how many photos could not be read."""
    import dataclasses

    from anymask.cli.train import is_first_process, run_objective
    from anymask.dataset.photo_folder import find_photos
    from anymask.training.photo_batches import PhotoSet
    from anymask.training.pretrain import Pretraining
    from anymask.training.pretrain_config import preset
    from anymask.training.progress import say
    from anymask.training.run_folder import RunFolder
    from anymask.training.settings import with_settings

    config = with_settings(preset(args.preset), args.set)
    if args.seed is not None:
        config = dataclasses.replace(config, seed=args.seed)
    photos = PhotoSet(find_photos(args.photos), config)
    if args.epochs is not None:
        config = config.with_epochs(args.epochs, len(photos.train))
    if is_first_process():
        say(
            f"{len(photos.train)} photos to learn from, {len(photos.held_out)} held out; "
            f"{config.num_steps} steps are {config.num_epochs(len(photos.train)):.3g} epochs."
        )
    run_objective(Pretraining(config, photos), args)
    if photos.num_set_aside:
        say(f"{photos.num_set_aside} files could not be read and were set aside.")
    if is_first_process() and not args.json:
        weights = RunFolder(path=args.output).weights_path
        print(f"next:    anymask train {config.model} DATA -o RUN --init {weights}")
    return 0
