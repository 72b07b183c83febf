import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import PointLabel
from anymask.model.checkpoints import build_sam
from anymask.model.features import PromptTensors
from anymask.model.presets import tiny as tiny_model
from anymask.model.sam import Sam
from anymask.model.text_clip import load_clip
from anymask.training.batches import TrainBatch, make_batch
from anymask.training.config import PromptConfig, TextConfig, TrainConfig
from anymask.training.draws import Draws
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.step import step_draws, training_losses
from anymask.training.text_link_loss import Vocabulary
from anymask.training.text_prompts import (
    TextEmbeddings,
    build_text_source,
    build_vocabulary,
    crop_source,
    load_vocabulary,
    mix_text,
    name_source,
)
from anymask.training.validation import validate
from tiny_clip import CROP_SIZE, TEXT_DIM, save_tiny_clip

P = 4000
CPU = torch.device("cpu")
SHARES = PromptConfig(text_probability=0.3, text_alone_probability=0.5)


def _draws(num_targets: int | None = None, first: int = 0) -> Draws:
    generator = torch.Generator().manual_seed(0)
    return Draws(generator=generator, num_targets=num_targets, first=first)


def test_targets_are_shared_out_between_text_alone_text_beside_and_no_text() -> None:
    coords = torch.full((P, 2, 2), 7.0)
    labels = torch.tensor([[PointLabel.FOREGROUND, PointLabel.PADDING]]).repeat(P, 1)
    is_known = torch.arange(P) % 2 == 0
    mixed, new_labels, has_text = mix_text(coords, labels, is_known, SHARES, _draws())
    alone = (new_labels == PointLabel.ABSENT).all(1)
    assert not has_text[~is_known].any()
    assert float(has_text[is_known].float().mean()) == pytest.approx(0.8, abs=0.03)
    assert float(alone[is_known].float().mean()) == pytest.approx(0.5, abs=0.03)
    assert has_text[alone].all()
    assert (mixed[alone] == 0).all()
    assert torch.equal(new_labels[~alone], labels[~alone])
    assert torch.equal(mixed[~alone], coords[~alone])


def test_parts_of_a_batch_are_shared_out_as_the_whole() -> None:
    coords, labels = torch.ones(8, 2, 2), torch.ones(8, 2, dtype=torch.int64)
    known = torch.ones(8, dtype=torch.bool)
    whole = mix_text(coords, labels, known, SHARES, _draws())
    for first in (0, 4):
        own = slice(first, first + 4)
        part = mix_text(coords[own], labels[own], known[own], SHARES, _draws(8, first))
        assert all(torch.equal(a, b[own]) for a, b in zip(part, whole, strict=True))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("clip")
    save_tiny_clip(folder)
    return folder


def _config(**shares: float) -> TrainConfig:
    # discs have 305 pixels, rectangles 280
    text = TextConfig(source="clip_crops", crop_size=CROP_SIZE, min_area=290)
    return dataclasses.replace(tiny(), text=text, prompts=PromptConfig(**shares))  # type: ignore[arg-type]


def _batch(shapes_folder: Path, config: TrainConfig) -> TrainBatch:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    return make_batch(examples, ImageCache(), config, step=0)


def _model(text_dim: int = TEXT_DIM) -> Sam:
    config = dataclasses.replace(tiny_model(), text_dim=text_dim, text_link_dim=0)
    return build_sam(config, seed=0).train()


def test_large_targets_have_the_embedding_of_their_crop(
    shapes_folder: Path, clip_folder: Path
) -> None:
    batch = _batch(shapes_folder, _config())
    clip = load_clip(clip_folder)
    texts = crop_source(clip)(batch, CPU)
    assert batch.text_crops is not None
    assert 0 < texts.is_known.sum() < len(batch.image_index)
    assert torch.equal(texts.is_known.nonzero()[:, 0], batch.text_crops.target_index)
    crops = clip.crop_embeddings(batch.text_crops.images, batch.text_crops.masks)
    assert torch.equal(texts.embeddings[texts.is_known], crops)
    assert (texts.embeddings[~texts.is_known] == 0).all()


def test_batch_without_crops_has_no_embeddings(shapes_folder: Path, clip_folder: Path) -> None:
    batch = _batch(shapes_folder, tiny())
    assert batch.text_crops is None
    texts = crop_source(load_clip(clip_folder))(batch, CPU)
    assert texts.embeddings.shape == (len(batch.image_index), TEXT_DIM)
    assert not texts.is_known.any()


def test_crops_leave_the_rest_of_the_batch_as_it_is(shapes_folder: Path) -> None:
    a, b = _batch(shapes_folder, _config()), _batch(shapes_folder, tiny())
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.target_masks, b.target_masks)


def test_names_have_the_vocabularys_embeddings(shapes_folder: Path) -> None:
    batch = _batch(shapes_folder, tiny())
    assert set(batch.target_names) == {"shape"}
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = name_source(Vocabulary(names=("cat", "shape"), embeddings=table))(batch, CPU)
    assert texts.is_known.all()
    assert (texts.embeddings == table[1]).all()
    unknown = name_source(Vocabulary(names=("cat", "dog"), embeddings=table))(batch, CPU)
    assert not unknown.is_known.any()


def test_step_asks_any_source_and_its_embedding_reaches_the_loss(shapes_folder: Path) -> None:
    config = _config(text_probability=0.0, text_alone_probability=1.0)
    batch, model = _batch(shapes_folder, config), _model()
    targets = len(batch.image_index)

    def loss(scale: float) -> torch.Tensor:
        def source(asked: TrainBatch, device: torch.device) -> TextEmbeddings:
            assert asked is batch
            assert device == CPU
            embeddings = torch.linspace(0, scale, targets * TEXT_DIM).reshape(targets, TEXT_DIM)
            return TextEmbeddings(embeddings=embeddings, is_known=torch.ones(targets).bool())

        return training_losses(model, batch, config, step_draws(0, 0), text_source=source).total

    assert torch.equal(loss(1.0), loss(1.0))
    assert not torch.equal(loss(1.0), loss(2.0))
    loss(1.0).backward()
    projection = model.prompt_encoder.text_projection
    assert projection is not None
    assert projection.weight.grad is not None
    assert projection.weight.grad.abs().sum() > 0


def test_step_without_a_text_share_does_not_ask_the_source(shapes_folder: Path) -> None:
    config = _config(text_probability=0.0)
    batch, model = _batch(shapes_folder, config), _model()

    def source(_: TrainBatch, __: torch.device) -> TextEmbeddings:
        raise AssertionError

    a = training_losses(model, batch, config, step_draws(0, 0), text_source=source)
    b = training_losses(model, batch, config, step_draws(0, 0))
    assert torch.equal(a.total, b.total)


def test_validation_grades_text_alone_of_the_targets_that_have_it(shapes_folder: Path) -> None:
    batch, model = _batch(shapes_folder, tiny()), _model().eval()
    P = len(batch.image_index)
    known = torch.arange(P) % 3 == 0

    def source(_: TrainBatch, __: torch.device) -> TextEmbeddings:
        return TextEmbeddings(embeddings=torch.eye(P, TEXT_DIM), is_known=known)

    scores = validate(model, [batch], source)
    images = model.preprocess(list(batch.images.float()), batch.image_size)
    features = model.encode_images(images)
    ious = []
    for p in known.nonzero()[:, 0].tolist():
        prompt = PromptTensors(
            point_coords=torch.zeros(1, 1, 2),
            point_labels=torch.tensor([[PointLabel.ABSENT]]),
            text_embeddings=torch.eye(P, TEXT_DIM)[p : p + 1],
        )
        index = batch.image_index[p : p + 1]
        best = model.decode(features, prompt, index, multimask_output=True).best()[0, 0] > 0
        truth = batch.target_masks[p] > 0.5
        ious.append(float((best & truth).sum() / (best | truth).sum()))
    assert scores["text"] == pytest.approx(sum(ious) / len(ious), abs=1e-4)
    assert "text" not in validate(model, [batch])
    known[:] = False
    assert "text" not in validate(model, [batch], source)


def test_clip_that_does_not_fit_is_told(clip_folder: Path) -> None:
    fitting = TextConfig(source="clip_crops", clip=str(clip_folder), crop_size=CROP_SIZE)
    assert build_text_source(fitting, TEXT_DIM, None) is not None
    with pytest.raises(InvalidInputError, match=r"of 24 numbers for .*, got text_dim 0"):
        build_text_source(fitting, 0, None)
    unfitting = dataclasses.replace(fitting, crop_size=336)
    with pytest.raises(InvalidInputError, match=r"text\.crop_size must be 32 .* got 336"):
        build_text_source(unfitting, TEXT_DIM, None)


def test_names_are_the_source_only_where_there_are_names_and_a_model_for_them() -> None:
    vocabulary = Vocabulary(names=("cat",), embeddings=torch.ones(1, 2))
    assert build_text_source(TextConfig(), 2, vocabulary) is not None
    assert build_text_source(TextConfig(), 0, vocabulary) is None
    assert build_text_source(TextConfig(), 2, None) is None


def test_vocabulary_holds_each_name_once() -> None:
    class Lengths:
        text_dim = 1

        def text_embeddings(self, texts: Sequence[str]) -> torch.Tensor:
            return torch.tensor([[float(len(text))] for text in texts])

    vocabulary = build_vocabulary(["horse", "", "cat", "horse"], Lengths())
    assert vocabulary.names == ("cat", "horse")
    assert vocabulary.embeddings.tolist() == [[3], [5]]


def test_vocabulary_is_loaded_where_the_run_uses_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Three:
        text_dim = 3

        def text_embeddings(self, texts: Sequence[str]) -> torch.Tensor:
            return torch.ones(len(texts), 3)

    monkeypatch.setattr("anymask.training.text_prompts.SentenceEncoder", Three)
    vocabulary = load_vocabulary(tiny(), 3, ["cat", ""])
    assert vocabulary is not None
    assert vocabulary.names == ("cat",)
    assert load_vocabulary(tiny(), 0, ["cat"]) is None
    assert load_vocabulary(tiny(), 3, [""]) is None
    assert load_vocabulary(_config(), 3, ["cat"]) is None  # the paper's crops
    unused = tiny().with_setting("prompts.text_probability", "0")
    assert load_vocabulary(unused, 3, ["cat"]) is not None  # the link still learns
    assert load_vocabulary(unused.with_setting("loss.text_link_weight", "0"), 3, ["cat"]) is None
    with pytest.raises(InvalidInputError, match=r"768 numbers for tiny, got names with 3\. Set"):
        load_vocabulary(tiny(), 768, ["cat"])


def test_text_shares_beyond_one_are_told() -> None:
    with pytest.raises(InvalidInputError, match=r"sum to at most 1, got 0\.6 and 0\.5"):
        PromptConfig(text_probability=0.6, text_alone_probability=0.5)
