"""Rows are written and read back, summed up over sets, and shown as tables and a picture."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError, MissingExtraError
from anymask.evaluation.plot import plot_rows
from anymask.evaluation.protocol import EvalRow, SetScores, read_rows, rows_to_json_lines
from anymask.evaluation.report import format_report, format_tables
from anymask.evaluation.summary import CORRELATION, MEAN_ALL, MEAN_OBJECTS, summarise


def make_row(**changes: Any) -> EvalRow:
    fields: dict[str, Any] = {
        "suite": "point_to_mask",
        "dataset": "coco",
        "metric": "miou_1",
        "value": 0.6123,
        "low": 0.588,
        "high": 0.634,
        "num_masks": 30,
        "num_images": 10,
    }
    return EvalRow(**{**fields, **changes})


def make_scores(dataset: str, level: float, num_masks: int = 40) -> SetScores:
    rng = np.random.default_rng(len(dataset))
    ious = level + rng.uniform(-0.1, 0.1, size=num_masks)
    return SetScores(
        suite="point_to_mask",
        dataset=dataset,
        image_index=np.arange(num_masks) // 4,
        values={"miou_1": ious, "miou_2": ious + 0.1},
        predicted_ious=np.stack([ious, ious + 0.01], axis=1),
        true_ious=np.stack([ious, ious + 0.01], axis=1),
    )


def test_rows_survive_the_round_trip(tmp_path: Path) -> None:
    rows = (make_row(), make_row(dataset="caf\u00e9", low=math.nan))
    (tmp_path / "rows.jsonl").write_text(rows_to_json_lines(rows), encoding="utf-8")
    first, second = read_rows(tmp_path / "rows.jsonl")
    assert first == rows[0]
    assert second.dataset == "caf\u00e9"
    assert math.isnan(second.low)


@pytest.mark.parametrize("line", ["{", "[]", '{"suite": "x"}'])
def test_line_that_is_no_row_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "rows.jsonl").write_text(rows_to_json_lines([make_row()]) + line, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="line 2 of"):
        read_rows(tmp_path / "rows.jsonl")


def test_missing_rows_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="rows file must be readable"):
        read_rows(tmp_path / "none.jsonl")


def test_row_of_a_set_holds_its_mean_inside_its_interval() -> None:
    scores = make_scores("coco", 0.6)
    rows = {row.metric: row for row in summarise([scores])}
    assert set(rows) == {"miou_1", "miou_2", CORRELATION}
    row = rows["miou_1"]
    assert row.value == pytest.approx(scores.values["miou_1"].mean())
    assert row.low < row.value < row.high
    assert (row.num_masks, row.num_images) == (40, 10)
    assert rows[CORRELATION].value == pytest.approx(1)


def test_mean_over_sets_weighs_small_sets_alike() -> None:
    sets = [make_scores("coco", 0.8, 40), make_scores("davis", 0.6, 20), make_scores("cells", 0.4)]
    rows = {(row.dataset, row.metric): row for row in summarise(sets)}
    means = [item.values["miou_1"].mean() for item in sets]
    assert rows[MEAN_ALL, "miou_1"].value == pytest.approx(np.mean(means))
    assert rows[MEAN_OBJECTS, "miou_1"].value == pytest.approx(np.mean(means[:2]))
    assert rows[MEAN_ALL, "miou_1"].num_masks == 100
    width = rows[MEAN_ALL, "miou_1"].high - rows[MEAN_ALL, "miou_1"].low
    widest = max(rows[s.dataset, "miou_1"].high - rows[s.dataset, "miou_1"].low for s in sets)
    assert 0 < width < widest


def test_mean_is_left_out_where_it_would_repeat_another_row() -> None:
    assert {row.dataset for row in summarise([make_scores("coco", 0.5)])} == {"coco"}
    both = summarise([make_scores("coco", 0.5), make_scores("davis", 0.5)])
    assert {row.dataset for row in both} == {"coco", "davis", MEAN_ALL}


def test_table_has_sets_as_rows_and_metrics_as_columns() -> None:
    table = format_tables([make_row(), make_row(metric="noc_85", value=math.nan)])
    lines = table.splitlines()
    assert lines[0] == "## point_to_mask"
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "set",
        "images",
        "masks",
        "miou_1",
        "noc_85",
    ]
    cells = [cell.strip() for cell in lines[4].split("|")[1:-1]]
    assert cells == ["coco", "10", "30", "0.612 [0.59, 0.63]", "undefined"]
    assert len({len(line) for line in lines[2:5]}) == 1


def test_report_names_the_model_and_the_settings() -> None:
    report = format_report([make_row()], model="small", settings="seed=3")
    assert report.startswith("# Evaluation of small\n")
    assert "seed=3" in report
    assert "0.612 [0.59, 0.63]" in report


def test_picture_is_a_png_with_a_panel_for_each_suite() -> None:
    pytest.importorskip("matplotlib")
    points = [make_row(), make_row(metric="miou_9"), make_row(metric="miou_1_oracle")]
    boxes = [
        make_row(suite="box_to_mask", metric=metric, dataset=dataset)
        for metric in ("miou", "miou_filled_box")
        for dataset in ("coco", MEAN_ALL)
    ]
    one = plot_rows(points, title="one")
    two = plot_rows([*points, *boxes], title="two")
    assert one[:8] == two[:8] == b"\x89PNG\r\n\x1a\n"
    width_one, width_two = (int.from_bytes(png[16:20], "big") for png in (one, two))
    assert width_two == 2 * width_one


def test_missing_matplotlib_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'anymask\[eval\]'"):
        plot_rows([make_row()], title="")
