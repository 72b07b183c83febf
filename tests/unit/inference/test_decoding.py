"""Decoding in parts and from cells of a short type; what is kept with an embedding."""

import dataclasses

import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import Prompt
from anymask.inference import decoding
from anymask.inference.decoding import decode_prompts, prepare_decoding
from anymask.inference.facade import SamPredictor
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.model.checkpoints import build_sam
from anymask.model.precision import store_weights
from anymask.model.presets import preset
from tiny_predictor import noise_image, tiny_predictor

POINT = Prompt(point_coords=[[12, 9]])


@pytest.fixture(params=["tiny", "tiny_vit"])
def predictor(request) -> Predictor:
    return tiny_predictor(request.param)


def prompts_with_masks(side):
    logits = np.random.default_rng(0).normal(size=(1, side, side))
    plain = [Prompt(point_coords=[[x, 2 * x]]) for x in range(2, 20, 4)]
    return [*plain, *(dataclasses.replace(prompt, mask_input=logits) for prompt in plain)]


@torch.inference_mode()
def test_parts_make_the_same_whole(predictor, monkeypatch):
    embedding = predictor.embed(noise_image())
    side = predictor.model.config.mask_size
    packed = pack_prompts(prompts_with_masks(side), embedding.frame, side, predictor.device)
    image = prepare_decoding(predictor.model, embedding.features, torch.float32)
    together = decode_prompts(predictor.model, image, packed, multimask_output=True)
    monkeypatch.setattr(decoding, "_LARGEST_TENSOR_BYTES", 1)
    parts = decode_prompts(predictor.model, image, packed, multimask_output=True)
    torch.testing.assert_close(parts.low_res_logits, together.low_res_logits)
    torch.testing.assert_close(parts.iou_predictions, together.iou_predictions)


@torch.inference_mode()
def test_cells_of_a_short_type_give_nearly_the_same_float32_answers(predictor):
    embedding = predictor.embed(noise_image())
    side = predictor.model.config.mask_size
    given = prompts_with_masks(side)
    for some in (given[:5], given):  # without mask inputs the prepared image is used
        packed = pack_prompts(some, embedding.frame, side, predictor.device)
        exact, short = (
            decode_prompts(
                predictor.model,
                prepare_decoding(predictor.model, embedding.features, dtype),
                packed,
                multimask_output=True,
            )
            for dtype in (torch.float32, torch.bfloat16)
        )
        assert short.low_res_logits.dtype == short.iou_predictions.dtype == torch.float32
        error = (short.low_res_logits - exact.low_res_logits).std()
        assert 0 < error < 0.03 * exact.low_res_logits.std()


def test_predictors_of_one_model_keep_their_own_preparation_with_an_embedding():
    exact = tiny_predictor("tiny_vit")
    short = Predictor(exact.model, exact.model_id, "cpu", "bfloat16")
    embedding = exact.embed(noise_image())
    first = exact.predict(embedding, POINT)
    between = short.predict(embedding, POINT)
    again = exact.predict(embedding, POINT)
    assert not np.array_equal(between.low_res_logits, first.low_res_logits)
    np.testing.assert_array_equal(again.low_res_logits, first.low_res_logits)


@pytest.mark.parametrize("name", ["tiny", "tiny_vit"])
def test_weights_changed_in_place_answer_from_the_next_embedding_on(name):
    model = build_sam(preset(name), seed=7)
    predictor = Predictor(model, "changed", "cpu", "float32")
    predictor.predict(predictor.embed(noise_image()), POINT)
    with torch.no_grad():
        for parameter in model.mask_decoder.parameters():
            parameter.mul_(1.1)
    changed = predictor.predict(predictor.embed(noise_image()), POINT)
    fresh = Predictor(model, "changed", "cpu", "float32")
    expected = fresh.predict(fresh.embed(noise_image()), POINT)
    np.testing.assert_array_equal(changed.low_res_logits, expected.low_res_logits)


@pytest.mark.parametrize("name", ["tiny", "tiny_vit"])
def test_shortened_weights_are_told_where_float32_is_computed(name):
    model = build_sam(preset(name), seed=7)
    store_weights(model.image_encoder, torch.bfloat16)
    message = "weights must be float32 to compute in float32, got bfloat16. Load the model with"
    with pytest.raises(InvalidInputError, match=message):
        Predictor(model, "short", "cpu", "float32")
    with pytest.raises(InvalidInputError, match=message):
        SamPredictor(model)
    Predictor(model, "short", "cpu", "bfloat16").embed(noise_image())


@pytest.mark.parametrize("name", ["tiny", "tiny_vit"])
def test_the_facade_prepares_an_image_once(name, monkeypatch):
    model = build_sam(preset(name), seed=7)
    prepared = []
    prepare_image = model.prepare_image
    monkeypatch.setattr(model, "prepare_image", lambda x: prepared.append(x) or prepare_image(x))
    facade = SamPredictor(model)
    for image in (noise_image(), noise_image(seed=1)):
        facade.set_image(image)
        for x in (3, 30):
            facade.predict(np.array([[x, 20]]), np.array([1]))
    assert len(prepared) == 2
