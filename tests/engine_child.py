"""An engine as a process of its own, to be killed. Arguments: FOLDER PHOTOS HELD_OUT MODEL."""

import sys
import time
from pathlib import Path

from anymask.engine.plan import Promotion
from engine_people import annotate, begin, tiny_plan


def main(folder: Path, photos: Path, held_out: Path, model: Path) -> None:
    plan = tiny_plan(model, held_out, promotion=Promotion(rule="always"))
    engine = begin(folder, photos / "images", plan, time.time)
    while True:
        engine.run()
        if engine.planned_step() is None:
            break
        annotate(engine, photos)
    engine.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
