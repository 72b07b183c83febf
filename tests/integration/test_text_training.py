"""The paper's way to text prompts, whole: trained on CLIP's view of crops, asked in words."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.core.image_io import read_image
from anymask.core.prompts import Prompt
from anymask.dataset.coco_folder import read_coco_folder
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny as tiny_model
from anymask.model.text_clip import load_clip
from anymask.training import sam_objective
from anymask.training.batches import make_batch
from anymask.training.config import AugmentConfig, PromptConfig, Stage, TextConfig
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.step import step_draws, training_losses
from anymask.training.text_prompts import crop_source
from tiny_clip import CROP_SIZE, TEXT_DIM, save_tiny_clip

STEPS = 240


class MeanCrops:
    """A text encoder for a CLIP that cannot read: a word is the mean of its objects' crops."""

    def __init__(self, table: dict[str, torch.Tensor]) -> None:
        self.table = table
        self.text_dim = TEXT_DIM

    def text_embeddings(self, texts: Sequence[str]) -> torch.Tensor:
        rows = torch.stack([self.table[text].mean(0) for text in texts])
        return torch.nn.functional.normalize(rows, dim=1)


def test_run_on_crops_logs_text_and_is_the_same_when_resumed(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    save_tiny_clip(tmp_path / "clip")
    model = dataclasses.replace(tiny_model(), text_dim=TEXT_DIM)
    monkeypatch.setattr(sam_objective, "model_preset", lambda _: model)
    config = dataclasses.replace(
        tiny(),
        prompts=PromptConfig(text_probability=0.2, text_alone_probability=0.5),
        text=TextConfig(
            source="clip_crops",
            clip=str(tmp_path / "clip"),
            crop_size=CROP_SIZE,
            min_area=100,
        ),
        validation_fraction=0.4,
        validate_every=2,
    )

    def run(name: str, *ends: int) -> list[dict[str, object]]:
        for end in ends:
            stages = (Stage(end_step=end, image_size=64, batch_size=4),)
            part = dataclasses.replace(config, stages=stages, checkpoint_every=2)
            folder = sam_objective.train_sam(part, [shapes_folder], tmp_path / name)
        return folder.read_log()

    whole, resumed = run("whole", 4), run("resumed", 2, 4)
    assert [row["loss"] for row in whole] == [row["loss"] for row in resumed]
    assert 0 <= float(str(whole[-1]["val_text"])) <= 1
    assert whole[-1]["val_text"] == resumed[-1]["val_text"]


@pytest.mark.slow
def test_model_trained_on_crops_finds_the_object_that_words_name(
    shapes_folder: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    save_tiny_clip(tmp_path)
    clip = load_clip(tmp_path)
    config = dataclasses.replace(
        tiny(),
        stages=(Stage(end_step=STEPS, image_size=64, batch_size=4),),
        augment=AugmentConfig(min_scale=1.0, max_scale=1.0, color_jitter=0.0, grey_probability=0.0),
        prompts=PromptConfig(
            min_rounds=1, max_rounds=1, text_probability=0.0, text_alone_probability=1.0
        ),
        text=TextConfig(source="clip_crops", crop_size=CROP_SIZE, min_area=100),
    )
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    cache = ImageCache()
    model = build_sam(dataclasses.replace(tiny_model(), text_dim=TEXT_DIM), seed=1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    table: dict[str, list[torch.Tensor]] = {"red disc": [], "green box": []}
    first_rounds = []
    source = crop_source(clip)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 30, (STEPS - step) / 100)
        batch = make_batch(examples, cache, config, step)
        losses = training_losses(model, batch, config, step_draws(0, step), text_source=source)
        optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        first_rounds.append(losses.values()["first_dice"])
        crops = batch.text_crops
        assert crops is not None
        embeddings = clip.crop_embeddings(crops.images, crops.masks)
        for image, mask, embedding in zip(crops.images, crops.masks, embeddings, strict=True):
            red, green, _ = image[:, mask].float().mean(1).tolist()
            table["red disc" if red > green else "green box"].append(embedding)
    assert np.mean(first_rounds[-20:]) < 0.5 * np.mean(first_rounds[:20])

    encoder = MeanCrops({word: torch.stack(rows) for word, rows in table.items()})
    predictor = Predictor(model, "text-test", "cpu", text_encoder=encoder)
    ious = {"own": [], "other": []}
    for image in read_coco_folder(shapes_folder):
        embedding = predictor.embed(read_image(image.path))
        disc, box = (mask.rle.to_mask() for mask in image.masks)
        for word, own, other in (("red disc", disc, box), ("green box", box, disc)):
            answer = predictor.predict(embedding, Prompt(text=word))
            mask = answer.masks[answer.best]
            ious["own"].append(_iou(mask, own))
            ious["other"].append(_iou(mask, other))
    assert np.mean(ious["own"]) > 0.7
    assert np.mean(ious["other"]) < 0.1


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
