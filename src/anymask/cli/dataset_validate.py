"""`anymask dataset validate`: every rule of SA-1B's layout, with what breaks it."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from anymask.dataset.validation.validating import ValidationReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="DIR|TAR", help="shards: a folder, one, a row sa_{000000..000999}.tar")
    add("--no-manifest", action="store_true", help="ask for none; SA-1B itself has none")
    add("--shortest-side", type=int, default=1500, metavar="PX", help="allowed of images (1500)")
    add("--processes", type=int, metavar="N", help="(all cores)")
    add("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Check, print what is wrong grouped by rule; return 0, or 1 if something is.

    Raises:
        AnymaskError: there are no shards, or a URL cannot be read.
    """
    from anymask.dataset.validation.validating import ValidationConfig, validate_dataset

    config = ValidationConfig(shortest_side=args.shortest_side, needs_manifest=not args.no_manifest)
    with tqdm(unit="shard", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = validate_dataset(args.source, config, num_processes=args.processes, on_shard=show)
    if args.json:
        print(json.dumps(report.to_json()))
    else:
        print("\n".join([*_problem_lines(report), _sentence(args.source, report)]))
    return 0 if report.is_valid else 1


def _problem_lines(report: "ValidationReport") -> Sequence[str]:
    lines = []
    for rule, found in report.findings.to_json().items():
        lines.append(f"{rule} ({found['count']}): {found['rule']}")
        lines += [f"  {item['place']}: {item['text']}" for item in found["examples"]]
        left = found["count"] - len(found["examples"])
        lines += [f"  and {left} more"] if left else []
    return lines


def _sentence(source: str, report: "ValidationReport") -> str:
    count = report.findings.counts.total()
    looked_at = f"{report.num_shards} shards, {report.num_images} images, {report.num_masks} masks"
    return f"{source}: {looked_at}, {f'{count} problems' if count else 'no problem'}"
