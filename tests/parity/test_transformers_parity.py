"""Our network and transformers' `SamModel` give the same numbers from the same weights."""

import json
import os
import warnings

import numpy as np
import pytest
import torch
from parity_cases import PROMPTS, answer, make_case

from anymask.core.frames import PIXEL_CENTER_OFFSET
from anymask.model.checkpoint_export import save_transformers
from anymask.model.checkpoint_layouts import from_transformers, infer_config, to_transformers
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.presets import tiny_vit, vit_b, vit_h, vit_l
from anymask.model.sam import Sam
from reference_sam import randomise

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its import says is not about us
    transformers = pytest.importorskip("transformers")
    SamModel = transformers.SamModel

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return ours with random weights and theirs, loaded from what we saved."""
    folder = tmp_path_factory.mktemp("transformers") / "sam"
    ours = build_sam(tiny_vit(), seed=0).eval()
    randomise(ours, seed=1)
    save_transformers(ours, folder)
    theirs, report = SamModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return ours, theirs.eval(), folder


@torch.no_grad()
def their_answer(model, pixel_values, case, frame, *, multimask_output):
    """Return transformers' output; its points are in the model frame without the half pixel."""
    to_model = {"points": None, "boxes": None}
    if case.point_coords is not None:
        to_model["points"] = frame.points_to_model(case.point_coords) - PIXEL_CENTER_OFFSET
    if case.boxes is not None:
        to_model["boxes"] = frame.boxes_to_model(case.boxes) - PIXEL_CENTER_OFFSET
    points, boxes = (
        None if value is None else torch.from_numpy(value)[None] for value in to_model.values()
    )
    labels = None if case.point_labels is None else torch.from_numpy(case.point_labels)[None]
    return model(
        pixel_values=pixel_values,
        input_points=points,
        input_labels=labels,
        input_boxes=boxes,
        input_masks=case.mask_input,
        multimask_output=multimask_output,
    )


@pytest.mark.parametrize("multimask_output", [True, False])
@pytest.mark.parametrize("prompts", [p for p in PROMPTS if "mask" not in p])
def test_masks_and_ious_equal_transformers(pair, prompts, multimask_output):
    ours, theirs, _ = pair
    S = ours.config.image_size
    case = make_case(prompts, mask_size=ours.config.mask_size)
    embedding, decoded = answer(ours, case, multimask_output=multimask_output)
    pixels = ours.preprocess([case.resized(S)])
    expected = their_answer(theirs, pixels, case, case.frame(S), multimask_output=multimask_output)
    their_embedding = theirs.get_image_embeddings(pixels)
    torch.testing.assert_close(embedding, their_embedding, atol=2e-5, rtol=0)
    torch.testing.assert_close(decoded.low_res_logits, expected.pred_masks[0], atol=5e-5, rtol=0)
    torch.testing.assert_close(decoded.iou_predictions, expected.iou_scores[0], atol=5e-5, rtol=0)


def test_their_image_processor_makes_our_pixels(pair):
    ours, _, folder = pair
    pil = pytest.importorskip("transformers.models.sam.image_processing_pil_sam")
    processor = pil.SamImageProcessorPil(
        **json.loads((folder / "preprocessor_config.json").read_text())
    )
    case = make_case("points", mask_size=ours.config.mask_size)
    theirs = processor(case.image, return_tensors="np")["pixel_values"]
    mine = ours.preprocess([case.resized(ours.config.image_size)]).numpy()
    assert np.abs(np.asarray(theirs) - mine).max() < 1e-5


@pytest.mark.parametrize("as_folder", [True, False])
def test_what_transformers_saves_loads(pair, tmp_path, as_folder):
    ours, theirs, _ = pair
    theirs.save_pretrained(tmp_path / "theirs")
    path = tmp_path / "theirs"
    loaded, model_id = (
        load_sam(path) if as_folder else load_sam(path / "model.safetensors", decoder_num_heads=2)
    )
    assert model_id.startswith("vit-")
    case = make_case("boxes_and_points", mask_size=ours.config.mask_size)
    _, before = answer(ours, case, multimask_output=True)
    _, after = answer(loaded, case, multimask_output=True)
    torch.testing.assert_close(after.low_res_logits, before.low_res_logits)


@pytest.mark.parametrize("config", [vit_b(), vit_l(), vit_h()], ids=lambda config: config.name)
def test_transformers_sizes_have_our_keys_and_shapes(config):
    blocks = config.image_encoder
    theirs_config = transformers.SamConfig(
        vision_config={
            "hidden_size": blocks.width,
            "num_hidden_layers": blocks.depth,
            "num_attention_heads": blocks.num_heads,
            "global_attn_indexes": list(blocks.global_blocks),
            "mlp_dim": int(blocks.width * blocks.mlp_ratio),
        }
    )
    with torch.device("meta"):
        theirs = SamModel(theirs_config).state_dict()
        ours = Sam(config).state_dict()
    translated = from_transformers(theirs)
    assert {k: v.shape for k, v in translated.items()} == {k: v.shape for k, v in ours.items()}
    assert infer_config(translated) == config
    tied = "prompt_encoder.shared_embedding.positional_embedding"
    assert set(to_transformers(ours)) == set(theirs) - {tied}


@pytest.mark.parametrize("multimask_output", [True, False])
def test_mask_prompts_equal_transformers(pair, multimask_output):
    """One prompt: transformers takes a mask for an image, not for each of its prompts."""
    ours, theirs, _ = pair
    S = ours.config.image_size
    case = make_case("points_and_mask", mask_size=ours.config.mask_size).first_prompt()
    _, decoded = answer(ours, case, multimask_output=multimask_output)
    pixels = ours.preprocess([case.resized(S)])
    expected = their_answer(theirs, pixels, case, case.frame(S), multimask_output=multimask_output)
    torch.testing.assert_close(decoded.low_res_logits, expected.pred_masks[0], atol=5e-5, rtol=0)
    torch.testing.assert_close(decoded.iou_predictions, expected.iou_scores[0], atol=5e-5, rtol=0)
