import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.cli.main import main
from anymask.core.rle import Rle
from anymask.evaluation.protocol import read_rows
from anymask.inference import loading
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny
from anymask.model.text_sentence import SENTENCE_DIM


class HashedSentences:
    """A sentence encoder of the default's width that needs no weights."""

    text_dim = SENTENCE_DIM

    def text_embeddings(self, texts):
        rows = [
            torch.randn(SENTENCE_DIM, generator=torch.Generator().manual_seed(sum(map(ord, text))))
            for text in texts
        ]
        return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def write_named(folder: Path, names: tuple[str, ...], num_images: int = 2) -> Path:
    """Write a set of grey pictures, each with a square of each name."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(1, num_images + 1):
        Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(folder / f"images/{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 60, "height": 40})
        for k in range(len(names)):
            mask = np.zeros((40, 60), dtype=bool)
            mask[5:25, 20 * k : 20 * k + 15] = True
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": k + 1,
                    "segmentation": Rle.from_mask(mask).to_coco(),
                }
            )
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    with gzip.open(folder / "masks.json.gz", "wt") as file:
        json.dump(content, file)
    return folder


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(loading, "SentenceEncoder", HashedSentences)
    monkeypatch.chdir(tmp_path)
    config = replace(tiny(), text_dim=SENTENCE_DIM, text_link_dim=4)
    save_sam(build_sam(config, seed=7), tmp_path / "model.safetensors")
    write_named(tmp_path / "data/coco", ("cat", "floor-wood"))
    write_named(tmp_path / "data/street", ("car",))
    write_named(tmp_path / "train/any", ("Cats",))

    def run(*arguments: str) -> int:
        common = ("--model", "model.safetensors", "--device", "cpu", "-o", "out")
        return main(["evaluate", "text", *arguments, *common])

    return run


def test_command_writes_rows_queries_report_plot_and_pictures(evaluate, capsys):
    assert evaluate("data", "--seen-names", "train", "--pictures", "3") == 0
    printed = capsys.readouterr().out
    assert "coco, names not seen" in printed
    out = Path("out")
    names = {path.name for path in out.iterdir()}
    assert names == {"rows.jsonl", "queries.jsonl", "report.md", "plot.png", "pictures"}
    rows = read_rows(out / "rows.jsonl")
    assert {row.dataset for row in rows if row.suite == "text_to_mask"} >= {
        "coco",
        "coco, names seen",
        "street",
        "mean of all sets",
    }
    assert {row.metric for row in rows} >= {"miou", "top1_iou", "ar_10", "miou_largest_mask"}
    queries = [json.loads(line) for line in (out / "queries.jsonl").read_text().splitlines()]
    assert {(q["dataset"], q["text"]) for q in queries if q["is_present"]} == {
        ("coco", "cat"),
        ("coco", "floor wood"),
        ("street", "car"),
    }
    assert {q["text"] for q in queries if q["is_seen"]} == {"cat"}
    pictures = {path.name for path in (out / "pictures").iterdir()}
    assert pictures == {"index.html"} | {f"coco_{k:03d}.jpg" for k in range(3)} | {
        "street_000.jpg",
        "street_001.jpg",
    }
    assert "queries (a name in a photograph)" in (out / "report.md").read_text()


def test_absent_names_are_asked_where_all_is_labelled(evaluate):
    write_named(Path("data/other/coco"), ("cat",), num_images=1)
    write_named(Path("more/yard"), ("cat",), num_images=1)
    content = json.loads(gzip.decompress(Path("more/yard/masks.json.gz").read_bytes()))
    content["categories"].append({"id": 9, "name": "kite"})
    content["images"].append({"id": 7, "file_name": "1.png", "width": 60, "height": 40})
    content["annotations"].append({**content["annotations"][0], "id": 9, "category_id": 9})
    content["annotations"][-1]["image_id"] = 7
    Path("more/yard/masks.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    assert evaluate("more", "--exhaustive", "yard", "--no-largest", "--pictures", "0") == 0
    rows = {row.metric: row for row in read_rows("out/rows.jsonl") if row.suite == "text_presence"}
    assert rows["auroc"].num_masks == 4
    assert evaluate("more", "--no-largest", "--pictures", "0") == 0
    assert all(row.suite == "text_to_mask" for row in read_rows("out/rows.jsonl"))


def test_names_can_come_from_a_file_of_lines(evaluate):
    Path("names.txt").write_text("car\n\n")
    arguments = ("data/street", "--seen-names", "names.txt", "--no-largest", "--max-images", "1")
    assert evaluate(*arguments) == 0
    datasets = [row.dataset for row in read_rows("out/rows.jsonl")]
    assert set(datasets) == {"street", "street, names seen"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("data", "--max-masks", "3"), "--max-masks must be left out for text"),
        (("data", "--text-threshold", "2"), "--text-threshold must be between 0 and 1, got 2"),
        (("data", "--absent-names", "-1"), "--absent-names must be 0 or more"),
        (("data", "--seen-names", "gone.txt"), "--seen-names must be a file of names"),
        (("nameless",), "nameless must name its masks"),
    ],
)
def test_mistakes_are_one_line(evaluate, capsys, arguments, text):
    write_named(Path("nameless"), ("",))
    assert evaluate(*arguments) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
