import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from anymask.cli.main import main
from anymask.core.image_io import read_image, write_png
from anymask.core.rle import Rle
from anymask.inference import loading
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny
from anymask.model.text_sentence import SENTENCE_DIM
from tiny_predictor import noise_image


class LetterSentences:
    """A sentence encoder of the default's width that needs no weights."""

    text_dim = SENTENCE_DIM

    def text_embeddings(self, texts):
        rows = torch.zeros(len(texts), SENTENCE_DIM)
        for row, text in zip(rows, texts, strict=True):
            for letter in text:
                row[ord(letter) % SENTENCE_DIM] += 1
        return torch.nn.functional.normalize(rows, dim=1)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "text.safetensors"
    config = replace(tiny(), text_dim=SENTENCE_DIM, text_link_dim=4)
    save_sam(build_sam(config, seed=7), path)
    return str(path)


@pytest.fixture
def segment(text_model, tmp_path, monkeypatch):
    """Return a function that runs `anymask segment` on a photo, and its output folder."""
    monkeypatch.setattr(loading, "SentenceEncoder", LetterSentences)
    write_png(tmp_path / "photo.png", noise_image())
    output = tmp_path / "out"

    def run(*arguments: str, model: str = text_model) -> int:
        common = ["-o", str(output), "--model", model, "--device", "cpu"]
        return main(["segment", str(tmp_path / "photo.png"), *common, *arguments])

    run.output = output
    return run


def test_instances_of_texts_are_written_with_their_scores(segment, capsys, monkeypatch):
    encoded = []
    embed = Predictor.embed_batch
    monkeypatch.setattr(
        Predictor, "embed_batch", lambda self, x: encoded.append(len(x)) or embed(self, x)
    )
    arguments = ("--text", "the cat", "--text", "dog", "--text", "dog")
    assert segment(*arguments, "--text-threshold", "0", "--max-instances", "2", "--json") == 0
    assert encoded == [1]
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((segment.output / "photo.json").read_text())
    assert [text["text"] for text in result["texts"]] == ["the cat", "dog"]
    for text in result["texts"]:
        scores = [mask["score"] for mask in result["masks"] if mask["text"] == text["text"]]
        assert 1 <= len(scores) == text["num_instances"] <= 2
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == text["best_score"]
    for k, mask in enumerate(result["masks"]):
        drawn = read_image(segment.output / f"photo_mask_{k}.png")[..., 0] > 0
        assert np.array_equal(Rle.from_coco(mask["segmentation"]).to_mask(), drawn)
        assert mask["area"] == drawn.sum() > 0
        assert mask["prompt"]["text"] == mask["text"]
    logits = np.load(segment.output / "photo_logits.npy")
    assert logits.shape == (len(result["masks"]), 16, 16)
    assert {path.name for path in segment.output.iterdir()} == set(result["files"])


def test_nothing_above_the_threshold_tells_the_best_score(segment, capsys):
    assert segment("--text", "cat", "--text-threshold", "1") == 0
    out = capsys.readouterr().out
    assert "no cat: the best score is 0." in out
    assert {path.name for path in segment.output.iterdir()} == {"photo_overlay.png", "photo.json"}
    result = json.loads((segment.output / "photo.json").read_text())
    assert result["masks"] == []
    assert 0 <= result["texts"][0]["best_score"] < 1


def test_text_with_a_box_gives_at_most_one_mask_in_it(segment, capsys):
    box = "0,0,70,50"
    assert segment("--text", "cat", "--box", box, "--text-threshold", "0", "--json") == 0
    (mask,) = json.loads(capsys.readouterr().out)["masks"]
    assert mask["prompt"] == {"box": [0, 0, 70, 50], "mask_input": False, "text": "cat"}


def test_labels_are_drawn_on_the_overlay(segment, capsys):
    assert segment("--text", "cat", "--text-threshold", "0", "--max-instances", "1") == 0
    labelled = read_image(segment.output / "photo_overlay.png")
    from anymask.inference.overlay import draw_overlay

    plain = draw_overlay(noise_image(), [read_image(segment.output / "photo_mask.png")[..., 0] > 0])
    assert labelled.shape == plain.shape
    assert (labelled != plain).any()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--text", " "], "text must have a word, got ' '"),
        (["--text", "cat", "--multimask"], "--multimask must come without --text"),
        (["--text-threshold", "0.5", "--point", "3,3"], "--text-threshold must come with --text"),
        (["--max-instances", "2", "--point", "3,3"], "--max-instances must come with --text"),
        (["--text", "cat", "--text-threshold", "1.2"], "must be between 0 and 1, got 1.2"),
        (["--text", "cat", "--text-threshold", "nan"], "must be between 0 and 1, got nan"),
        (["--text", "cat", "--max-instances", "0"], "--max-instances must be at least 1, got 0"),
        (["--text", "cat", "--point", "99,3"], "point_coords must lie inside the image"),
    ],
)
def test_wrong_request_is_one_line_and_leaves_no_file(segment, capsys, arguments, text):
    assert segment(*arguments) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith("anymask: error: ")
    assert error.count("\n") == 1
    assert not segment.output.exists() or not any(segment.output.iterdir())


def test_model_without_text_is_told(segment, model, tmp_path, capsys):
    path = tmp_path / "mute.safetensors"
    save_sam(build_sam(replace(tiny(), text_dim=0, text_link_dim=0), seed=7), path)
    assert segment("--text", "cat", model=str(path)) == 2
    error = capsys.readouterr().err
    assert "text search needs a model with a text link" in error
    assert error.count("\n") == 1
