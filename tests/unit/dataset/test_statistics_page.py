import re

import pytest

from anymask.dataset.described import find_parts
from anymask.dataset.statistics import DatasetStatistics, count_images
from anymask.dataset.statistics_page import write_page
from anymask.dataset.statistics_plots import DARK, draw_figure, figures_of
from sa1b_archives import write_shards

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def automatic(tmp_path_factory) -> DatasetStatistics:
    (path,) = write_shards(tmp_path_factory.mktemp("set"), [3])
    (part,) = find_parts(path)
    return count_images(part.read(pytest.fail))


@pytest.fixture(scope="module")
def labelled(shapes_folder) -> DatasetStatistics:
    (part,) = find_parts(shapes_folder)
    return count_images(part.read(pytest.fail))


def test_figures_without_anything_to_show_are_left_out(automatic, labelled):
    names = [figure.name for figure in figures_of({"a": labelled})]
    assert "scores" not in names
    assert "crop_layers" not in names
    both = [figure.name for figure in figures_of({"a": labelled, "b": automatic})]
    assert {"scores", "crop_layers"} < set(both)


def test_every_figure_is_drawn_the_same_twice(automatic, labelled):
    sets = {"ours": automatic, "theirs": labelled}
    for figure in figures_of(sets):
        svg = draw_figure(figure, sets)
        assert svg.startswith(b"<?xml")
        assert svg == draw_figure(figure, sets)
        assert svg != draw_figure(figure, sets, theme=DARK)


def test_a_figure_can_be_a_png(labelled):
    figure = figures_of({"a": labelled})[0]
    assert draw_figure(figure, {"a": labelled}, file_format="png").startswith(b"\x89PNG")


def test_nothing_can_be_drawn():
    nothing = DatasetStatistics.empty()
    assert all(draw_figure(figure, {"a": nothing}) for figure in figures_of({"a": nothing}))
    assert "not recorded" in write_page({"a": nothing})


def test_the_page_needs_no_other_file_and_runs_nothing(automatic):
    page = write_page({"ours": automatic})
    links = re.findall(r'(?:src|srcset|href)="([^"]{1,12})', page)
    assert links
    assert all(link.startswith("data:image/") for link in links)
    assert "<script" not in page


def test_the_page_says_the_numbers(automatic, labelled):
    page = write_page({"ours": automatic, "theirs": labelled})
    assert "<td>3</td><td>6</td>" in page  # images
    assert "What its masks are like, beside theirs" in page


def test_names_and_problems_are_text(automatic):
    page = write_page({"<b>ours": automatic}, problems=["<i>bad"] * 25)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "Not counted: 25" in page
    assert "and 5 more" in page
