import dataclasses
import json

import numpy as np
import pytest

from anymask.cli.main import main
from anymask.core.image_io import write_png
from anymask.core.prompts import Prompt
from anymask.inference.loading import load_predictor
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny
from anymask.model.text_clip import load_clip
from tiny_clip import TEXT_DIM, save_tiny_clip
from tiny_predictor import noise_image


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("clip")
    save_tiny_clip(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model_with_text(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "text.safetensors"
    save_sam(build_sam(dataclasses.replace(tiny(), text_dim=TEXT_DIM), seed=7), path)
    return str(path)


@pytest.fixture
def segment(tmp_path, model_with_text):
    photo = tmp_path / "photo.png"
    write_png(photo, noise_image())

    def run(*arguments: str, model: str = model_with_text) -> int:
        common = ["-o", str(tmp_path / "out"), "--model", model, "--device", "cpu"]
        return main(["segment", str(photo), *common, *arguments])

    return run


def test_each_text_is_one_prompt_beside_the_box(segment, clip, tmp_path, model_with_text):
    texts = ["--text", "red  box", "--text", "disc"]
    assert segment(*texts, "--box", "5,6,40,30", "--clip", clip) == 0
    record = json.loads((tmp_path / "out" / "photo.json").read_text())
    asked = [mask["prompt"] for mask in record["masks"]]
    assert asked == [
        {"box": [5, 6, 40, 30], "text": text, "mask_input": False} for text in ("red box", "disc")
    ]
    predictor = load_predictor(model_with_text, "cpu", text_encoder=load_clip(clip))
    prompts = [Prompt(box=[5, 6, 40, 30], text=text) for text in ("red box", "disc")]
    answers = predictor.predict(predictor.embed(noise_image()), prompts)
    logits = np.load(tmp_path / "out" / "photo_logits.npy")
    for got, answer in zip(logits, answers, strict=True):
        np.testing.assert_allclose(got, answer.low_res_logits[answer.best], atol=1e-5)


def test_text_alone_can_give_three_masks(segment, clip, tmp_path):
    assert segment("--text", "disc", "--multimask", "--clip", clip) == 0
    record = json.loads((tmp_path / "out" / "photo.json").read_text())
    assert len(record["masks"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clip", "{clip}"], "a prompt must be given"),
        (["--clip", "{clip}", "--point", "3,4"], "--clip must come with --text"),
        (["--clip", "{clip}", "--text", "a", "--max-instances", "2"], "must come without --clip"),
        (["--clip", "{clip}/missing", "--text", "a"], "CLIP must be a folder"),
        (["--clip", "{clip}", "--text", "abcdefghijklmnopqrst"], "at most 14 tokens, got 20"),
    ],
)
def test_wrong_use_is_one_line(segment, clip, capsys, arguments, message):
    assert segment(*(argument.format(clip=clip) for argument in arguments)) != 0
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_model_without_text_is_told(segment, clip, model, capsys):
    assert segment("--text", "disc", "--clip", clip, model=model) == 2
    assert "takes no text encoder, got one of 24" in capsys.readouterr().err
