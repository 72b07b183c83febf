"""A page to look at: a name, what was found for it, and the truth, photograph by photograph."""

import html
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.evaluation.text_to_mask import MAX_FOUND, TextCase
from anymask.inference.overlay import draw_overlay

_WIDTH_PX = 360
_STYLE = (
    "body{font:14px sans-serif;margin:20px;color:#222}figure{margin:0 0 18px}"
    "img{max-width:100%}figcaption{margin:2px 0 4px}.no{color:#a00}"
)


class TextPictures:
    """Collects pictures of queries, at most `max_pictures` of a set, and the page that shows them.

    Args:
        write: takes a file's name and its bytes.
        threshold: score from which an answer counts as found.
        max_pictures: of each set; the first ones.
    """

    def __init__(
        self, write: Callable[[str, bytes], None], *, threshold: float, max_pictures: int
    ) -> None:
        self._write = write
        self._threshold = threshold
        self._max_pictures = max_pictures
        self._figures: list[str] = []
        self._counts: dict[str, int] = {}

    def add(self, case: TextCase) -> None:
        """Write the picture of a query: photograph, what was found, the truth."""
        count = self._counts.get(case.dataset, 0)
        if count >= self._max_pictures:
            return
        self._counts[case.dataset] = count + 1
        name = f"{case.dataset}_{count:03d}.jpg"
        num_found = int((case.scores[:MAX_FOUND] >= self._threshold).sum())
        panels = [
            case.pixels,
            draw_overlay(case.pixels, case.found[:num_found]),
            draw_overlay(case.pixels, case.targets),
        ]
        stream = io.BytesIO()
        Image.fromarray(_side_by_side(panels)).save(stream, format="JPEG", quality=85)
        self._write(name, stream.getvalue())
        self._figures.append(_figure(name, case, num_found))

    def page(self, *, title: str) -> str:
        """Return the HTML page of the pictures so far; it refers to them by name."""
        heading, figures = html.escape(title), "\n".join(self._figures)
        return (
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{heading}</title>\n'
            f"<style>{_STYLE}</style>\n<h1>{heading}</h1>\n"
            f"<p>Left the photograph, in the middle what was found with a score of at least "
            f"{self._threshold:g}, right the truth.</p>\n{figures}\n</html>\n"
        )


def _figure(name: str, case: TextCase, num_found: int) -> str:
    text = html.escape(case.text)
    asked = f"<b>{text}</b>" if len(case.targets) else f'<b class="no">{text}</b> (not there)'
    top = f"best score {case.scores[0]:.2f}" if len(case.scores) else "no answer"
    return (
        f"<figure><figcaption>{asked}: {num_found} found, {top}, {len(case.targets)} in truth. "
        f"<small>{html.escape(case.dataset)} {html.escape(case.file_name)}</small></figcaption>"
        f'<img loading="lazy" src="{html.escape(name)}" alt="{text}"></figure>'
    )


def _side_by_side(panels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height, width = panels[0].shape[:2]
    scale = min(1.0, _WIDTH_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.concatenate(
        [np.asarray(Image.fromarray(panel).resize(size)) for panel in panels], axis=1
    )
