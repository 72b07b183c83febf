"""Our network and the reference package's give the same numbers from the same weights."""

import dataclasses

import pytest
import torch
from parity_cases import PROMPTS, Case, answer, make_case, to_prompt_tensors

from anymask.model.checkpoint_export import save_official
from anymask.model.checkpoint_layouts import from_official, infer_config
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.config import VitConfig
from anymask.model.presets import tiny_vit, vit_b, vit_h, vit_l
from anymask.model.sam import Sam
from reference_sam import build_reference, import_segment_anything, randomise

import_segment_anything()

CONFIGS = {
    "padded_windows": tiny_vit(),
    "exact_windows": dataclasses.replace(
        tiny_vit(),
        image_size=128,
        image_encoder=VitConfig(
            width=48, depth=3, num_heads=4, global_blocks=(0, 2), window_size=2
        ),
        decoder_depth=3,
        decoder_num_heads=2,
        num_multimask_outputs=2,
        iou_head_depth=2,
        mask_prompt_channels=8,
    ),
}


def loaded_pair(config, path):
    """Return the reference with random weights and ours, loaded from the reference's file."""
    torch.manual_seed(0)
    reference = build_reference(config)
    randomise(reference, seed=1)
    torch.save(reference.state_dict(), path)
    ours, _ = load_sam(path, decoder_num_heads=config.decoder_num_heads)
    return reference, ours


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, tmp_path_factory):
    return loaded_pair(CONFIGS[request.param], tmp_path_factory.mktemp("official") / "sam.pth")


def record_of(case: Case, image_size: int) -> dict:
    """Return what the reference's `Sam.forward` takes, its own transforms applied."""
    from segment_anything.utils.transforms import ResizeLongestSide

    transform, size = ResizeLongestSide(image_size), case.image.shape[:2]
    image = torch.from_numpy(transform.apply_image(case.image)).permute(2, 0, 1)
    record = {"image": image.float(), "original_size": size}
    if case.point_coords is not None:
        coords = transform.apply_coords(case.point_coords, size)
        record["point_coords"] = torch.from_numpy(coords).float()
        record["point_labels"] = torch.from_numpy(case.point_labels)
    if case.boxes is not None:
        record["boxes"] = torch.from_numpy(transform.apply_boxes(case.boxes, size)).float()
    if case.mask_input is not None:
        record["mask_inputs"] = case.mask_input
    return record


@torch.no_grad()
def reference_embedding(reference, case: Case):
    record = record_of(case, reference.image_encoder.img_size)
    return reference.image_encoder(reference.preprocess(record["image"])[None])


def largest_difference(a, b) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("size", [(61, 97), (97, 61), (64, 64), (5, 300)])
def test_image_embeddings_equal_the_reference(pair, size):
    reference, ours = pair
    case = make_case("points", mask_size=ours.config.mask_size, size=size)
    embedding, _ = answer(ours, case, multimask_output=True)
    theirs = reference_embedding(reference, case)
    assert theirs.std() > 0.1
    assert largest_difference(embedding, theirs) < 2e-5


@pytest.mark.parametrize("multimask_output", [True, False])
@pytest.mark.parametrize("prompts", PROMPTS)
def test_masks_and_ious_equal_the_reference(pair, prompts, multimask_output):
    reference, ours = pair
    case = make_case(prompts, mask_size=ours.config.mask_size)
    _, decoded = answer(ours, case, multimask_output=multimask_output)
    record = record_of(case, ours.config.image_size)
    (theirs,) = reference([record], multimask_output)
    assert theirs["low_res_logits"].std() > 0.01
    assert largest_difference(decoded.low_res_logits, theirs["low_res_logits"]) < 5e-5
    assert largest_difference(decoded.iou_predictions, theirs["iou_predictions"]) < 5e-5


def test_all_mask_tokens_are_the_single_mask_then_the_three(pair):
    _, ours = pair
    case = make_case("boxes", mask_size=ours.config.mask_size)
    answers = {m: answer(ours, case, multimask_output=m)[1] for m in (None, False, True)}
    parts = [answers[False].low_res_logits, answers[True].low_res_logits]
    assert largest_difference(answers[None].low_res_logits, torch.cat(parts, dim=1)) < 1e-6


@torch.no_grad()
def test_a_batch_of_images_equals_the_reference_one_by_one(pair):
    reference, ours = pair
    S = ours.config.image_size
    cases = [
        make_case("points", mask_size=ours.config.mask_size, size=size)
        for size in ((61, 97), (80, 33))
    ]
    features = ours.encode_images(ours.preprocess([case.resized(S) for case in cases]))
    prompts = [to_prompt_tensors(case, S) for case in cases]
    batch = dataclasses.replace(
        prompts[0],
        point_coords=torch.cat([p.point_coords for p in prompts]),
        point_labels=torch.cat([p.point_labels for p in prompts]),
    )
    decoded = ours.decode(features, batch, torch.tensor([0, 0, 1, 1]), multimask_output=True)
    theirs = reference([record_of(case, S) for case in cases], True)
    together = torch.cat([record["low_res_logits"] for record in theirs])
    assert largest_difference(decoded.low_res_logits, together) < 5e-5


@torch.no_grad()
def test_the_reference_loads_what_we_save(tmp_path):
    config = tiny_vit()
    ours = build_sam(config, seed=3).eval()
    randomise(ours, seed=4)
    save_official(ours, tmp_path / "ours.pth")
    reference = build_reference(config)
    reference.load_state_dict(torch.load(tmp_path / "ours.pth", weights_only=True))
    case = make_case("boxes_and_points", mask_size=config.mask_size)
    _, decoded = answer(ours, case, multimask_output=True)
    (theirs,) = reference([record_of(case, config.image_size)], True)
    assert largest_difference(decoded.low_res_logits, theirs["low_res_logits"]) < 5e-5


@pytest.mark.parametrize("config", [vit_b(), vit_l(), vit_h()], ids=lambda config: config.name)
def test_official_sizes_have_our_keys_and_shapes(config):
    with torch.device("meta"):
        theirs = from_official(build_reference(config).state_dict())
        ours = Sam(config).state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}
    assert infer_config(theirs) == config


@pytest.mark.slow
@torch.no_grad()
def test_vit_b_at_full_size_equals_the_reference(tmp_path):
    reference, ours = loaded_pair(vit_b(), tmp_path / "sam_vit_b.pth")
    assert ours.config == vit_b()
    for prompts in PROMPTS:
        # each kind of prompt has an image of its own, of an odd size
        case = make_case(prompts, mask_size=256, size=(681, 1013))
        multimask_output = prompts != "boxes_and_points"
        embedding, decoded = answer(ours, case, multimask_output=multimask_output)
        theirs = reference_embedding(reference, case)
        (record,) = reference([record_of(case, 1024)], multimask_output)
        low_res_logits, ious = record["low_res_logits"], record["iou_predictions"]
        differences = {
            "embedding": largest_difference(embedding, theirs),
            "low_res_logits": largest_difference(decoded.low_res_logits, low_res_logits),
            "iou_predictions": largest_difference(decoded.iou_predictions, ious),
        }
        assert differences["embedding"] <= 1e-4, (prompts, differences)
        assert differences["low_res_logits"] <= 1e-3, (prompts, differences)
        assert differences["iou_predictions"] <= 1e-4, (prompts, differences)
