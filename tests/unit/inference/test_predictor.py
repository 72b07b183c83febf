import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import Prompt
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny, tiny_vit
from tiny_predictor import noise_image, tiny_predictor

MODELS = ("tiny", "tiny_vit")
POINT = Prompt(point_coords=[[12, 9]])
BOX = Prompt(box=[5, 6, 40, 30])


@pytest.fixture(params=MODELS)
def predictor(request) -> Predictor:
    return tiny_predictor(request.param)


@pytest.fixture
def embedding(predictor) -> ImageEmbedding:
    return predictor.embed(noise_image())


def assert_close(got, expected) -> None:
    np.testing.assert_allclose(got.low_res_logits, expected.low_res_logits, atol=1e-5)
    np.testing.assert_allclose(got.iou_predictions, expected.iou_predictions, atol=1e-5)


def test_masks_have_the_image_size_and_are_the_logits_above_the_threshold(predictor, embedding):
    prediction = predictor.predict(embedding, POINT)
    assert prediction.masks.shape == (3, 50, 70)
    assert prediction.masks.dtype == np.bool_
    assert prediction.mask_logits.dtype == np.float32
    assert np.array_equal(prediction.masks, prediction.mask_logits > 0)
    assert prediction.iou_predictions.min() >= 0
    assert prediction.iou_predictions.max() <= 1
    assert prediction.iou_predictions[prediction.best] == prediction.iou_predictions.max()


def test_ragged_batch_equals_one_by_one(predictor, embedding):
    side = predictor.model.config.mask_size
    logits = np.random.default_rng(0).normal(size=(side, side))
    prompts = [
        POINT,
        BOX,
        Prompt(point_coords=[[1, 2], [30, 30], [69, 49]], point_labels=[1, 0, 1]),
        Prompt(point_coords=[[1, 2], [30, 30]], box=[0, 0, 70, 50]),
        Prompt(mask_input=logits),
        Prompt(point_coords=[[20, 20]], mask_input=-logits),
    ]
    together = predictor.predict(embedding, prompts)
    assert [len(answer.masks) for answer in together] == [3, 3, 1, 1, 1, 1]
    for prompt, answer in zip(prompts, together, strict=True):
        assert_close(answer, predictor.predict(embedding, prompt))


def test_size_of_batches_does_not_change_answers(predictor, embedding):
    prompts = [Prompt(point_coords=[[x, 5]]) for x in range(7)]
    whole = predictor.predict(embedding, prompts)
    for size in (1, 3):
        for got, expected in zip(
            predictor.predict(embedding, prompts, prompts_per_batch=size), whole, strict=True
        ):
            assert_close(got, expected)


def test_number_of_masks_can_be_forced(predictor, embedding):
    assert len(predictor.predict(embedding, POINT, multimask_output=False).masks) == 1
    several = Prompt(point_coords=[[1, 1], [2, 2]])
    assert len(predictor.predict(embedding, several, multimask_output=True).masks) == 3


def test_no_prompts_give_no_answers(predictor, embedding):
    assert predictor.predict(embedding, []) == ()


def test_batch_of_images_equals_one_by_one(predictor):
    images = [noise_image(50, 70, 1), noise_image(70, 33, 2), noise_image(9, 9, 3)]
    together = predictor.embed_batch(images)
    assert [one.frame.original_size for one in together] == [(50, 70), (70, 33), (9, 9)]
    for image, embedding in zip(images, together, strict=True):
        single = predictor.embed(image)
        torch.testing.assert_close(
            embedding.features.image_embeddings, single.features.image_embeddings
        )
        assert_close(
            predictor.predict(embedding, Prompt(point_coords=[[3, 3]])),
            predictor.predict(single, Prompt(point_coords=[[3, 3]])),
        )
    assert predictor.embed_batch([]) == ()


def test_pillow_image_is_taken(predictor):
    image = noise_image()
    first = predictor.embed(image).features.image_embeddings
    assert torch.equal(first, predictor.embed(Image.fromarray(image)).features.image_embeddings)


def test_extreme_shapes_of_images_predict(predictor):
    for size in ((1, 1), (1, 300), (300, 2)):
        embedding = predictor.embed(noise_image(*size))
        prediction = predictor.predict(embedding, Prompt(point_coords=[[0, 0]]))
        assert prediction.masks.shape == (3, *size)


def test_predicted_logits_can_be_the_next_mask_input(predictor, embedding):
    first = predictor.predict(embedding, POINT)
    best = first.low_res_logits[first.best]
    second = predictor.predict(embedding, Prompt(point_coords=[[12, 9]], mask_input=best))
    assert np.abs(second.low_res_logits - first.low_res_logits[0]).max() > 0


def test_mask_input_of_another_size_is_told(predictor, embedding):
    side = predictor.model.config.mask_size
    with pytest.raises(InvalidInputError, match=rf"shape \(1, {side}, {side}\).*got \(1, 5, 5\)"):
        predictor.predict(embedding, Prompt(mask_input=np.zeros((5, 5))))


def test_point_outside_the_image_is_told(predictor, embedding):
    with pytest.raises(InvalidInputError, match="inside the image of 70 x 50 pixels"):
        predictor.predict(embedding, Prompt(point_coords=[[70, 51]]))


def test_embedding_of_another_model_is_told():
    embedding = tiny_predictor("tiny").embed(noise_image())
    with pytest.raises(InvalidInputError, match="of model tiny_vit-test, got one of tiny-test"):
        tiny_predictor("tiny_vit").predict(embedding, POINT)


def test_prompt_of_another_type_is_told(predictor, embedding):
    with pytest.raises(InvalidInputError, match="Prompt or a list of them, got tuple"):
        predictor.predict(embedding, [(3, 4)])


def test_empty_batches_are_told(predictor, embedding):
    with pytest.raises(InvalidInputError, match="prompts_per_batch must be at least 1, got 0"):
        predictor.predict(embedding, POINT, prompts_per_batch=0)


def test_bfloat16_encoder_answers_nearly_the_same():
    model = build_sam(tiny(), seed=7)
    fast = Predictor(model, "tiny-test", "cpu", dtype="bfloat16")
    embedding = fast.embed(noise_image())
    assert embedding.features.image_embeddings.dtype == torch.float32
    exact = tiny_predictor().predict(tiny_predictor().embed(noise_image()), POINT)
    got = fast.predict(embedding, POINT).low_res_logits
    assert np.abs(got - exact.low_res_logits).max() < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_a_predictor_in_a_short_type_leaves_the_callers_weights(name):
    model = build_sam({"tiny": tiny, "tiny_vit": tiny_vit}[name](), seed=7)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Predictor(model, "t", "cpu", "bfloat16").embed(noise_image())
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_compiled_predictor_translates_encoder_and_decoder(monkeypatch):
    used = []

    def translate(part, mode=None):
        return lambda *args, **more: used.append((part, mode)) or part(*args, **more)

    monkeypatch.setattr(torch, "compile", translate)
    model = build_sam(tiny(), seed=7)
    predictor = Predictor(model, "tiny-test", "cpu", "float32", compile=True)
    got = predictor.predict(predictor.embed(noise_image()), POINT)
    assert used == [(model.encode_images, None), (model.decode, "reduce-overhead")]
    assert_close(got, tiny_predictor().predict(tiny_predictor().embed(noise_image()), POINT))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own imports
def test_a_compiled_predictor_answers_as_before():
    predictor = Predictor(build_sam(tiny(), seed=7), "tiny-test", "cpu", "float32", compile=True)
    plain = tiny_predictor()
    for prompts in ([POINT], [POINT] * 3):  # the second shape is translated anew
        got = predictor.predict(predictor.embed(noise_image()), prompts)
        expected = plain.predict(plain.embed(noise_image()), prompts)
        for one, other in zip(got, expected, strict=True):
            assert_close(one, other)


def test_array_that_may_not_be_written_is_embedded_without_a_warning():
    image = noise_image(64, 48)  # already of the model's size, so not copied by resizing
    image.setflags(write=False)
    tiny_predictor().embed(image)


class LetterCounts:
    """A text encoder: how often each of the first letters of the alphabet occurs."""

    text_dim = 6

    def text_embeddings(self, texts: Sequence[str]) -> torch.Tensor:
        rows = [[float(text.count(letter)) for letter in "abcdef"] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


@pytest.fixture(params=MODELS)
def text_predictor(request) -> Predictor:
    preset = {"tiny": tiny, "tiny_vit": tiny_vit}[request.param]()
    config = dataclasses.replace(preset, text_dim=6, text_link_dim=0)
    return Predictor(build_sam(config, seed=7), "text-test", "cpu", "float32", LetterCounts())


def test_text_changes_the_answer_and_composes_with_points_and_boxes(text_predictor):
    embedding = text_predictor.embed(noise_image())
    prompts = [
        Prompt(text="cab"),
        Prompt(text="face"),
        POINT,
        Prompt(text="cab", point_coords=[[12, 9]]),
        Prompt(text="cab", box=[5, 6, 40, 30]),
        BOX,
    ]
    answers = text_predictor.predict(embedding, prompts, multimask_output=False)
    logits = [answer.low_res_logits for answer in answers]
    for i in range(len(logits)):
        for j in range(i):
            assert np.abs(logits[i] - logits[j]).max() > 1e-4
    for prompt, answer in zip(prompts, answers, strict=True):
        assert_close(answer, text_predictor.predict(embedding, prompt, multimask_output=False))
    assert [len(a.masks) for a in text_predictor.predict(embedding, prompts[:4])] == [3, 3, 3, 1]


def test_words_without_a_prompt_change_nothing(text_predictor):
    embedding = text_predictor.embed(noise_image())
    without = Predictor(text_predictor.model, "text-test", "cpu", "float32")
    expected = without.predict(embedding, POINT)
    assert_close(text_predictor.predict(embedding, POINT), expected)


def test_embedded_texts_are_those_of_the_encoder(text_predictor):
    got = text_predictor.embed_texts(["cab", "add"])
    assert torch.equal(got, LetterCounts().text_embeddings(["cab", "add"]))


def test_model_without_text_says_so():
    config = dataclasses.replace(tiny(), text_dim=0, text_link_dim=0)
    predictor = Predictor(build_sam(config, seed=7), "mute", "cpu")
    embedding = predictor.embed(noise_image())
    with pytest.raises(InvalidInputError, match="needs a model trained with it, got mute without"):
        predictor.predict(embedding, Prompt(text="car"))
    with pytest.raises(InvalidInputError, match="takes no text encoder, got one of 6"):
        Predictor(predictor.model, "mute", "cpu", text_encoder=LetterCounts())


def test_missing_and_unfitting_text_encoders_are_told(text_predictor):
    predictor = Predictor(text_predictor.model, "text-test", "cpu")
    embedding = predictor.embed(noise_image())
    with pytest.raises(InvalidInputError, match="text needs a text encoder"):
        predictor.predict(embedding, Prompt(text="car"))
    config = dataclasses.replace(tiny(), text_dim=8, text_link_dim=0)
    with pytest.raises(InvalidInputError, match="takes embeddings of 8 numbers, got one of 6"):
        Predictor(build_sam(config), "other", "cpu", text_encoder=LetterCounts())


def test_unknown_dtype_is_told():
    known = "auto, float32, bfloat16 or float16"
    with pytest.raises(InvalidInputError, match=f"dtype must be {known}, got 'float8'"):
        Predictor(build_sam(tiny()), "tiny", "cpu", dtype="float8")


def test_predictor_evaluates_without_gradients():
    model = build_sam(tiny_vit()).train()
    predictor = Predictor(model, "t", "cpu")
    assert not model.training
    assert not predictor.embed(noise_image()).features.image_embeddings.requires_grad
