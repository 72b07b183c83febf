"""The text link alone, on a frozen model."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.model import presets as model_presets
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.sam import Sam
from anymask.training.config import AugmentConfig, OptimConfig, Stage, TrainConfig
from anymask.training.loop import train
from anymask.training.share import Share
from anymask.training.text_link_objective import TextLinkObjective
from anymask.training.text_prompts import build_vocabulary

TEXT_DIM = 12


class FakeEncoder:
    """One axis a word, whatever it means."""

    text_dim = TEXT_DIM

    def text_embeddings(self, texts) -> torch.Tensor:  # type: ignore[no-untyped-def]
        generator = torch.Generator().manual_seed(1)
        table = torch.nn.functional.normalize(torch.randn(26, TEXT_DIM, generator=generator))
        return table[[ord(text[0]) - ord("a") for text in texts]]


@pytest.fixture
def objective(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TextLinkObjective:
    """On drawn shapes: discs are called discs, rectangles bricks."""
    import gzip
    import shutil

    folder = tmp_path / "named"
    shutil.copytree(shapes_folder, folder)
    content = json.loads(gzip.decompress((folder / "masks.json.gz").read_bytes()))
    for i, row in enumerate(content["annotations"]):
        row["category_id"] = 1 + i % 2
    content["categories"] = [{"id": 1, "name": "disc"}, {"id": 2, "name": "brick"}]
    (folder / "masks.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))

    small = dataclasses.replace(
        model_presets.preset("tiny"), text_dim=TEXT_DIM, text_link_dim=8, iou_from_mask=True
    )
    monkeypatch.setitem(model_presets._PRESETS, "tiny", lambda: small)
    monkeypatch.setattr("anymask.training.text_prompts.SentenceEncoder", FakeEncoder)
    save_sam(build_sam(small, seed=3), tmp_path / "base.safetensors")
    config = TrainConfig(
        model="tiny",
        trained_part="text_link",
        stages=(Stage(end_step=40, image_size=64, batch_size=4),),
        masks_per_image=2,
        min_mask_fraction=0.005,
        validation_fraction=0.3,
        validate_every=20,
        checkpoint_every=20,
        dtype="bfloat16",
        augment=AugmentConfig(
            min_scale=1, max_scale=1, full_view_probability=1, color_jitter=0, grey_probability=0
        ),
        optim=OptimConfig(learning_rate=1e-2, warmup_steps=2, ema_decay=0.8),
    )
    return TextLinkObjective(config, [folder], str(tmp_path / "base.safetensors"))


def test_only_the_link_changes_and_it_learns(objective: TextLinkObjective, tmp_path: Path) -> None:
    folder = train(objective, tmp_path / "run")
    before, after = (
        load_sam(path)[0].state_dict()
        for path in (tmp_path / "base.safetensors", folder.weights_path)
    )
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.startswith("text_link.") for key in changed)
    losses = [row["loss"] for row in folder.read_log()]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    scores = [row for row in folder.read_log() if "val_present" in row][-1]
    assert scores["val_name_top5"] == 1.0  # there are two names
    assert "val_absent" not in scores  # every picture has both


def test_an_image_is_encoded_once(objective: TextLinkObjective) -> None:
    model = objective.build_model()
    calls = []
    encode = Sam.encode_images
    model.encode_images = lambda images: calls.append(len(images)) or encode(model, images)  # type: ignore[method-assign, func-returns-value, assignment]
    batch = next(objective.batches(0, Share()))
    first = objective.losses(model, batch, 0, Share())["loss"]
    num_encoded = sum(calls)
    again = objective.losses(model, batch, 0, Share())["loss"]
    assert num_encoded == 4
    assert sum(calls) == num_encoded
    assert first.detach().allclose(again.detach())


def test_names_that_name_nothing_are_left_out() -> None:
    vocabulary = build_vocabulary(["disc", "", "salient", "Object", "disc"], FakeEncoder())
    assert vocabulary.names == ("disc",)


def test_data_without_names_are_refused(
    objective: TextLinkObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "_vocabulary", None)
    with pytest.raises(InvalidInputError, match="name what their masks show"):
        objective.build_model()
