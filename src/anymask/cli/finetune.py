"""`anymask finetune`: adapt a model to labelled photographs, and see what that costs elsewhere."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.train import add_run_arguments

if TYPE_CHECKING:
    from anymask.dataset.labelled import LabelledImage
    from anymask.evaluation.comparison import Change
    from anymask.inference.predictor import Predictor
    from anymask.training.finetune import FinetuneConfig, FinetuneObjective
    from anymask.training.run_folder import RunFolder

VALIDATION = "validation"  # what the user's own held-out images are called in tables
MAX_PICTURES = 8
NOT_GUARDED = (
    "nothing was guarded. Fine-tuning on one kind of picture can harm all others, most of all "
    "after several clicks: give --guard DIR, labelled photographs of what should stay as good."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add = parser.add_argument
    add("data", nargs="+", type=Path, metavar="FOLDER", help="labelled photographs to learn from")
    add(
        "--val",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="labelled photographs to validate on; a part of FOLDER is held out without",
    )
    add(
        "--val-fraction",
        type=float,
        metavar="F",
        help="how much of FOLDER is held out, by a hash of the images' names (0.2)",
    )
    add(
        "--guard",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="other labelled photographs, on which the model should stay as good; may be repeated",
    )
    add("--init", metavar="NAME_OR_PATH", help="the model to fine-tune (default: built in)")
    add(
        "--mode",
        choices=("lora", "decoder", "full"),
        default="lora",
        help="train small adapters, the decoder, or everything (%(default)s)",
    )
    add("--rank", type=int, default=8, metavar="R", help="lora: rank of the adapters (%(default)s)")
    add("--alpha", type=float, metavar="A", help="lora: scale of the adapters (twice the rank)")
    add(
        "--modules",
        metavar="NAME,...",
        help="lora: adapted parts of the model (image_encoder,mask_decoder.transformer)",
    )
    add("--qkv", metavar="LETTERS", help="lora: which of the encoder's q, k and v (qv)")
    add("--steps", type=int, default=300, metavar="N", help="steps at most (%(default)s)")
    add(
        "--patience", type=int, metavar="N", help="end after N validations without a better one (4)"
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. optim.learning_rate=1e-4 or augment.flip_probability=0",
    )
    add("--max-images", type=int, default=40, metavar="N", help="evaluated a set (%(default)s)")
    add(
        "--max-masks-per-image",
        type=int,
        default=6,
        metavar="N",
        help="evaluated an image (%(default)s)",
    )
    add("--seed", type=int, default=0, help="of data order, adapters and samples (%(default)s)")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Fine-tune, evaluate before and after, write it all into the run folder, return 0.

    Raises:
        AnymaskError: the data, the model, a setting or the folder cannot be used; found before the
            training where possible.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.cli.train import is_first_process, train_objective
    from anymask.core.errors import MissingExtraError
    from anymask.evaluation.comparison import compare_predictors
    from anymask.inference.loading import load_predictor
    from anymask.training.finetune import FinetuneObjective

    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "eval")
    config = _config(args)
    objective = FinetuneObjective(config, args.data, args.init, args.val)
    sets = _evaluated_sets(args, objective)
    make_output_folder(args.output)
    folder = train_objective(objective, args, objective.is_done)
    if not is_first_process():
        return 0
    before = load_predictor(args.init, args.device, "float32")
    after = load_predictor(folder.weights_path, args.device, "float32")
    changes = [
        change
        for name, images in sets.items()
        for change in compare_predictors(
            before, after, name, _watched(images, name), seed=args.seed
        )
    ]
    pictures = _draw_pictures(folder, before, after, sets[VALIDATION][:MAX_PICTURES])
    result = _result(config, folder, after.model_id, changes, is_guarded=bool(args.guard))
    _write(folder, result, changes, pictures)
    for warning in result["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(result) if args.json else _text(folder, result, changes))
    return 0


def _config(args: argparse.Namespace) -> "FinetuneConfig":
    import dataclasses

    from anymask.core.errors import InvalidInputError
    from anymask.model.checkpoints import load_sam
    from anymask.model.lora import LoraConfig
    from anymask.training.finetune import finetune_config
    from anymask.training.settings import with_settings

    if args.val and args.val_fraction is not None:
        raise InvalidInputError(
            f"--val-fraction must be left out beside --val, got {args.val_fraction}. "
            "All images of --val are validated on."
        )
    fraction = 0.2 if args.val_fraction is None else args.val_fraction
    if not 0 < fraction < 1:
        raise InvalidInputError(f"--val-fraction must be between 0 and 1, got {fraction}. Use 0.2.")
    chosen: dict[str, Any] = {"alpha": 2.0 * args.rank if args.alpha is None else args.alpha}
    if args.modules is not None:
        chosen["modules"] = tuple(name for name in args.modules.split(",") if name)
    if args.qkv is not None:
        chosen["qkv_parts"] = args.qkv
    lora = LoraConfig(rank=args.rank, **chosen)
    model, model_id = load_sam(args.init)
    config = finetune_config(
        model.config,
        model_id,
        mode=args.mode,
        lora=lora,
        num_steps=args.steps,
        validation_fraction=0.0 if args.val else fraction,
        seed=args.seed,
    )
    if args.patience is not None:
        config = dataclasses.replace(config, patience=args.patience)
    return with_settings(config, args.set)


def _evaluated_sets(
    args: argparse.Namespace, objective: "FinetuneObjective"
) -> "dict[str, tuple[LabelledImage, ...]]":
    """The images and masks that both models answer: held-out ones, and those of the guards."""
    from anymask.cli.evaluate import read_sets
    from anymask.core.errors import InvalidInputError
    from anymask.evaluation.sampling import SampleLimits, select_masks

    held_out = {example.path for example in objective.held_out}
    own = [image for images in read_sets(args.val or args.data).values() for image in images]
    sets = {VALIDATION: tuple(image for image in own if image.path in held_out)}
    guards = read_sets(args.guard) if args.guard else {}
    trained = {example.path.resolve() for example in objective.train_examples}
    for name, images in guards.items():
        if name == VALIDATION:
            raise InvalidInputError(f"--guard must not be named {VALIDATION!r}. Rename the folder.")
        if any(image.path.resolve() in trained for image in images):
            raise InvalidInputError(
                f"--guard must hold images that are not trained on, got {name} of the training "
                "data. Choose other photographs."
            )
    limits = SampleLimits(max_images=args.max_images, max_masks_per_image=args.max_masks_per_image)
    return {
        name: select_masks(images, limits, seed=args.seed)
        for name, images in (sets | guards).items()
    }


def _watched(images: "Sequence[LabelledImage]", name: str) -> "Sequence[LabelledImage]":
    from tqdm import tqdm

    tqdm.write(f"evaluating before and after on {name}: {len(images)} images", file=sys.stderr)
    return images


def _draw_pictures(
    folder: "RunFolder",
    before: "Predictor",
    after: "Predictor",
    images: "Sequence[LabelledImage]",
) -> list[Path]:
    """Write a picture of the targets and both models' answers for each image."""
    from anymask.core.image_io import write_png
    from anymask.evaluation.before_after import draw_before_after

    target = folder.path / "before_after"
    target.mkdir(exist_ok=True)
    paths = [target / f"{i:02d}_{image.path.stem}.png" for i, image in enumerate(images)]
    for path, image in zip(paths, images, strict=True):
        write_png(path, draw_before_after(before, after, image))
    return paths


def _result(
    config: "FinetuneConfig",
    folder: "RunFolder",
    model_id: str,
    changes: "Sequence[Change]",
    *,
    is_guarded: bool,
) -> dict[str, Any]:
    import dataclasses

    from anymask.evaluation.comparison import describe_fall
    from anymask.training.finetune import ADAPTER_FILE

    rows = folder.read_log()
    validated = [row for row in rows if "val_score" in row]
    best = max(validated, key=lambda row: row["val_score"])
    warnings = [describe_fall(change) for change in changes if change.has_fallen]
    own = [change for change in changes if change.dataset == VALIDATION]
    if not any(change.low > 0 for change in own):
        warnings.append("no figure of the validation images got better for certain.")
    if not is_guarded:
        warnings.append(NOT_GUARDED)
    files = ["weights.safetensors", "report.md", "changes.jsonl", "changes.png", "curves.png"]
    if config.mode == "lora":
        files.insert(1, ADAPTER_FILE)
    return {
        "base_id": config.base_id,
        "model_id": model_id,
        "mode": config.mode,
        "steps": rows[-1]["step"] + 1,
        "num_steps": config.num_steps,
        "best_step": best["step"] + 1,
        "best_score": best["val_score"],
        "changes": [dataclasses.asdict(change) for change in changes],
        "warnings": warnings,
        "files": [str(folder.path / name) for name in files],
    }


def _write(
    folder: "RunFolder",
    result: dict[str, Any],
    changes: "Sequence[Change]",
    pictures: Sequence[Path],
) -> None:
    from anymask.core.files import write_bytes
    from anymask.evaluation.comparison import changes_to_json_lines, format_changes, plot_changes

    report = [
        f"# {result['model_id']}, fine-tuned from {result['base_id']}",
        _summary(result),
        "Mean IoU over masks; the change with its 95 % interval, images resampled.",
        format_changes(changes),
        *(f"**Warning**: {warning}" for warning in result["warnings"]),
        "![Changes](changes.png)",
        *(f"![{path.stem}](before_after/{path.name})" for path in pictures),
    ]
    write_bytes(folder.path / "changes.jsonl", changes_to_json_lines(changes).encode())
    write_bytes(folder.path / "changes.png", plot_changes(changes, title="change of mean IoU"))
    write_bytes(folder.path / "report.md", ("\n\n".join(report) + "\n").encode())


def _summary(result: dict[str, Any]) -> str:
    return (
        f"Mode {result['mode']}, {result['steps']} of {result['num_steps']} steps; "
        f"the weights are those of step {result['best_step']}, the best validation."
    )


def _text(folder: "RunFolder", result: dict[str, Any], changes: "Sequence[Change]") -> str:
    from anymask.evaluation.comparison import format_changes

    files = [*result["files"], str(folder.path / "before_after")]
    return "\n".join([_summary(result), "", format_changes(changes), *files])
