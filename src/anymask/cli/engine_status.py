"""`anymask engine status`: where the engine is, and the figures of its rounds."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from anymask.cli.engine_folder import add_folder_argument, open_engine

if TYPE_CHECKING:
    from anymask.engine.status import EngineStatus, RoundSummary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add_folder_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print where the engine is, return 0.

    Raises:
        AnymaskError: no engine there.
    """
    with open_engine(args.folder) as engine:
        status = engine.status()
    print(json.dumps(dataclasses.asdict(status)) if args.json else _text(status))
    return 0


def _text(status: "EngineStatus") -> str:
    lines = [
        f"{status.stage}, round {status.round} of {status.num_rounds}; "
        f"model {status.model_id or 'not measured yet'}; {status.unused_photos} photos left",
        f"next: {status.next_does}",
    ]
    if status.queue is not None:
        queue = status.queue
        done = queue.submitted + queue.accepted
        lines.append(
            f"people have {queue.waiting} images before them, {done} are done, {queue.rejected} "
            f"were sent back (project {queue.project_id}): anymask serve"
        )
    rounds = [row for row in status.rounds if row.masks is not None or row.score is not None]
    if rounds:
        lines += ["", "round  masks/image  s/mask  clicks/mask  held-out mIoU         model"]
        lines += [_row(row) for row in rounds]
    return "\n".join(lines)


def _row(row: "RoundSummary") -> str:
    score = "-"
    if row.score is not None:
        score = f"{row.score:.3f} [{row.score_low:.3f}, {row.score_high:.3f}]"
    fate = {True: "promoted", False: "refused", None: ""}[row.is_promoted]
    return (
        f"{row.round:5}  {_number(row.masks_per_image):>11}  {_number(row.seconds_per_mask):>6}  "
        f"{_number(row.clicks_per_mask):>11}  {score:20}  {row.model_id or '-'} {fate}"
    ).rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
