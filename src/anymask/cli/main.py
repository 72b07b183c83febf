"""The program `anymask`: runs one of its commands, turns errors into a line and an exit code."""

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import NoReturn

from anymask import __version__
from anymask.core.errors import AnymaskError, MissingExtraError

COMMANDS = {
    "segment": "masks of an image from clicks, boxes or an earlier mask",
    "everything": "all masks of images, as SA-1B JSON and pictures",
    "train": "train a model on labelled photographs",
    "pretrain": "teach an image encoder by unlabelled photographs (MAE)",
    "finetune": "adapt a model to labelled photographs of your own",
    "evaluate": "how good a model is on labelled photographs",
    "bench": "how fast the model is here, beside what else is installed",
    "serve": "the annotation studio: its server, or pages that need none",
    "studio": "bring folders into a studio's projects, and projects into files",
    "dataset": "a data set in SA-1B's layout: write, check, look at, convert",
    "engine": "the data engine: rounds of annotation and training, and the data set",
    "convert": "annotations from one format to another",
    "export": "encoder and decoder as files for other runtimes",
    "models": "list, download, inspect and merge weights",
}
_SHELLS = ("bash", "zsh", "tcsh")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line like all others, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"anymask: error: {message}. See {self.prog} --help.\n")


def build_parser(commands: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Return the program's parser; only the named commands know their arguments.

    A command's module is imported for its arguments, so that help and version need none of them.
    """
    parser = _Parser(prog="anymask", description="Segment anything in images.")
    parser.add_argument("--version", action="version", version=f"anymask {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = subparsers.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        if name in commands:
            import_module(f"anymask.cli.{name}").add_arguments(command)
    completion = subparsers.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("shell", choices=_SHELLS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with these arguments (default: the process's), return its exit code.

    0 is success; 2 a mistake in the request; 1 a file or a machine that failed; 130 Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader went away (`| head`); later writes, at exit too, must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except (AnymaskError, OSError, MemoryError, RuntimeError) as error:
        if "--debug" in arguments:
            raise
        return _report(error)


def _run(arguments: Sequence[str]) -> int:
    command = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser([command] if command in COMMANDS else []).parse_args(arguments)
    if args.command == "completion":
        print(_completion(args.shell))
        return 0
    code: int = import_module(f"anymask.cli.{args.command}").run(args)
    return code


def _completion(shell: str) -> str:
    try:
        import shtab
    except ImportError:
        raise MissingExtraError("shtab", "completion") from None
    script: str = shtab.complete(build_parser(), shell=shell)
    return script


def _report(error: Exception) -> int:
    if isinstance(error, AnymaskError):
        return _fail(str(error), 1 if isinstance(error, OSError) else 2)
    if isinstance(error, OSError):
        return _fail(str(error), 1)
    # PyTorch has no single class for "no more memory"; other RuntimeErrors are faults of ours.
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return _fail("out of memory. Use a smaller image, batch or model.", 1)
    raise error


def _fail(text: str, code: int) -> int:
    line = " ".join(text.split())
    print(f"anymask: error: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
