"""`anymask dataset card`: a data card in Markdown, from what is counted, reported and answered."""

import argparse
import json
from pathlib import Path

from anymask.core.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="DATASET", help="archives or files of SA-1B's form, or labelled sets")
    add("-o", "--output", metavar="FILE", help="where to write it (default: NAME_card.md)")
    add("--name", help="what the set is called (default: its folder's name)")
    add("--stats", metavar="FILE", help="its stats.json, to count nothing again")
    add("--validation", metavar="FILE", help="what `anymask dataset validate --json` printed")
    add("--privacy", metavar="FILE", help="report.json of `anymask dataset blur`")
    add(
        "--record",
        action="append",
        default=[],
        metavar="TITLE=FILE",
        help="JSON that a program left: generator settings, an audit, lineage; may be repeated",
    )
    add("--answers", metavar="FILE", help="JSON with what only people know: purpose, licence, ...")
    add("--processes", type=int, metavar="N", help="how many count (default: one a core)")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the card and print where it is; return 0.

    Raises:
        AnymaskError: no data set is there, or a file that was named is another one.
    """
    from anymask.cli.dataset_stats import count_with_progress, read_statistics
    from anymask.core.files import read_json, write_bytes
    from anymask.dataset.card import CardAnswers, CardFacts, read_answers, write_card
    from anymask.dataset.manifest import MANIFEST_FILE, read_manifest
    from anymask.dataset.reports import read_privacy, read_validation

    name = args.name or Path(args.source).resolve().name
    records = {title: read_json(path) for title, path in map(_named, args.record)}
    has_manifest = (Path(args.source) / MANIFEST_FILE).is_file()
    facts = CardFacts(
        name=name,
        manifest=read_manifest(args.source) if has_manifest else None,
        validation=None if args.validation is None else read_validation(args.validation),
        privacy=None if args.privacy is None else read_privacy(args.privacy),
        records=records,
        answers=CardAnswers() if args.answers is None else read_answers(args.answers),
        statistics=(
            count_with_progress(args.source, name, args.processes).statistics
            if args.stats is None
            else read_statistics(args.stats)
        ),
    )
    card = write_card(facts)
    output = args.output or f"{name}_card.md"
    write_bytes(output, card.encode())
    print(json.dumps({"path": output}) if args.json else output)
    return 0


def _named(text: str) -> tuple[str, str]:
    title, equals, path = text.partition("=")
    if not (title and equals and path):
        raise InvalidInputError(
            f"--record must be TITLE=FILE, got {text!r}. Say what it is, like Generator=run.json."
        )
    return title, path
