import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from anymask.inference.mask_tensors import masks_to_rles
from tiny_predictor import noise_image, tiny_predictor

HEIGHT, WIDTH = 50, 70
PREDICTOR = tiny_predictor()
EMBEDDING = PREDICTOR.embed(noise_image(HEIGHT, WIDTH))

x, y = st.floats(0, WIDTH, width=32), st.floats(0, HEIGHT, width=32)
clicks = st.lists(st.tuples(x, y, st.integers(0, 1)), min_size=1, max_size=4)
corners = st.tuples(
    st.floats(-20, 60, width=32),
    st.floats(-20, 40, width=32),
    st.floats(21, 50, width=32),
    st.floats(21, 50, width=32),
)
logit_planes = st.integers(0, 99).map(
    lambda seed: np.random.default_rng(seed).normal(0, 20, (1, 16, 16))
)


@st.composite
def prompts(draw) -> Prompt:
    """Draw any valid prompt about the image."""
    parts = draw(st.integers(1, 7))
    points = draw(clicks) if parts & 1 else None
    box = None
    if parts & 2:
        x0, y0, width, height = draw(corners)
        box = [x0, y0, x0 + width, y0 + height]
    return Prompt(
        point_coords=None if points is None else [point[:2] for point in points],
        point_labels=None if points is None else [point[2] for point in points],
        box=box,
        mask_input=draw(logit_planes) if parts & 4 else None,
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(prompts(), min_size=1, max_size=5), st.integers(1, 4))
def test_ragged_batch_equals_one_by_one(asked, per_batch):
    together = PREDICTOR.predict(EMBEDDING, asked, prompts_per_batch=per_batch)
    for prompt, answer in zip(asked, together, strict=True):
        alone = PREDICTOR.predict(EMBEDDING, prompt)
        np.testing.assert_allclose(answer.low_res_logits, alone.low_res_logits, atol=1e-5)
        np.testing.assert_allclose(answer.iou_predictions, alone.iou_predictions, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(prompts(), st.sampled_from([None, True, False]))
def test_any_valid_prompt_predicts_finite_masks(prompt, multimask_output):
    prediction = PREDICTOR.predict(EMBEDDING, prompt, multimask_output=multimask_output)
    assert prediction.masks.shape[1:] == (HEIGHT, WIDTH)
    assert np.isfinite(prediction.mask_logits).all()
    assert ((prediction.iou_predictions >= 0) & (prediction.iou_predictions <= 1)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_runs_of_tensors_equal_runs_of_arrays(height, width, seed):
    import torch

    masks = np.random.default_rng(seed).random((3, height, width)) > 0.5
    assert masks_to_rles(torch.from_numpy(masks)) == [Rle.from_mask(mask) for mask in masks]
