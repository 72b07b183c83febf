"""The arguments that all commands with a trained model share: where, how precisely, how close."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.inference.predictor import Predictor
    from anymask.model.text_encoder import TextEncoder

# A table, as importing it from `inference.devices` here would load torch.
DTYPES = ("auto", "float32", "bfloat16", "float16")


def add_device_arguments(parser: argparse.ArgumentParser, *, dtype: str = "auto") -> None:
    """Add the arguments to `parser`; `dtype` is the command's default."""
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    add(
        "--dtype",
        choices=DTYPES,
        default=dtype,
        help="of the image encoder; float32 for the same figures everywhere (%(default)s)",
    )


def add_close_up_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--no-close-up`, for the commands that can look at an image twice."""
    parser.add_argument(
        "--no-close-up",
        action="store_true",
        help="answer from the whole image alone; else a model that draws small objects coarsely "
        "looks at their surroundings again",
    )


def load_chosen_predictor(
    args: argparse.Namespace, text_encoder: "TextEncoder | None" = None
) -> "Predictor":
    """Return the predictor of `--model` on `--device` in `--dtype`; a person is told which.

    Raises:
        AnymaskError: as `load_predictor`.
    """
    from anymask.inference.loading import load_predictor

    predictor = load_predictor(args.model, args.device, args.dtype, text_encoder)
    if sys.stderr.isatty():
        print(f"{predictor.model_id} on {predictor.placement.describe()}", file=sys.stderr)
    return predictor
