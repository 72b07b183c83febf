"""Code written for the reference package runs with its import line changed, and finds the same."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.core.rle import Rle
from anymask.inference import facade
from anymask.inference.longest_side import ResizeLongestSide
from anymask.inference.reference_sam import ReferenceSam, sam_model_registry
from anymask.model.checkpoint_layouts import from_official
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny, tiny_vit
from reference_sam import build_reference, import_segment_anything, randomise, vivid_pair

reference_package = import_segment_anything()
CONFIG = tiny_vit()


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (4, 4, 0))
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


IMAGE = smooth_image(75, 110)


@pytest.fixture(scope="module")
def models() -> dict[str, torch.nn.Module]:
    """Return the reference's tiny model and ours with its weights."""
    torch.manual_seed(3)
    reference = build_reference(CONFIG)
    randomise(reference, seed=4)
    ours = build_sam(CONFIG)
    ours.load_state_dict(from_official(reference.state_dict()))
    return {"segment_anything": reference, "anymask": ours.eval()}


PACKAGES = {"segment_anything": reference_package, "anymask": facade}


def documented_predictor_example(package: SimpleNamespace, sam: torch.nn.Module) -> list:
    """Run what the reference's README and predictor notebook show."""
    predictor = package.SamPredictor(sam)
    predictor.set_image(IMAGE)
    answers = []
    input_point, input_label = np.array([[50, 37]]), np.array([1])
    masks, scores, logits = predictor.predict(
        point_coords=input_point, point_labels=input_label, multimask_output=True
    )
    answers += [masks, scores, logits]

    mask_input = logits[np.argmax(scores), :, :]
    answers += predictor.predict(
        point_coords=np.array([[50, 37], [80, 20]]),
        point_labels=np.array([1, 0]),
        mask_input=mask_input[None, :, :],
        multimask_output=False,
    )
    input_box = np.array([20, 10, 90, 60])
    answers += predictor.predict(
        point_coords=None, point_labels=None, box=input_box[None, :], multimask_output=False
    )
    answers += predictor.predict(
        point_coords=np.array([[57, 30]]),
        point_labels=np.array([0]),
        box=input_box,
        multimask_output=False,
        return_logits=True,
    )
    answers += predictor.predict(mask_input=mask_input[None], multimask_output=False)
    answers += predictor.predict()

    input_boxes = torch.tensor([[7, 6, 50, 70], [45, 3, 80, 40]], device=predictor.device)
    transformed_boxes = predictor.transform.apply_boxes_torch(input_boxes, IMAGE.shape[:2])
    batch = predictor.predict_torch(
        point_coords=None, point_labels=None, boxes=transformed_boxes, multimask_output=False
    )
    answers += [tensor.cpu().numpy() for tensor in batch]
    points = predictor.transform.apply_coords_torch(
        torch.tensor([[[5, 6], [30, 30]], [[70, 11], [90, 60]]]), IMAGE.shape[:2]
    )
    batch = predictor.predict_torch(points, torch.tensor([[1, 0], [1, -1]]), transformed_boxes)
    answers += [tensor.cpu().numpy() for tensor in batch]
    answers.append(predictor.get_image_embedding().cpu().numpy())
    answers.append(predictor.features.cpu().numpy())
    return answers


def test_documented_predictor_example_gives_the_same_numbers(models):
    expected, got = (
        documented_predictor_example(package, models[name]) for name, package in PACKAGES.items()
    )
    for reference, ours in zip(expected, got, strict=True):
        assert ours.shape == reference.shape
        assert ours.dtype == reference.dtype
        if ours.dtype == np.bool_:
            assert np.mean(ours != reference) < 1e-3
        else:
            np.testing.assert_allclose(ours, reference, atol=1e-4)


def test_image_in_bgr_order_is_the_same_image(models):
    embeddings = []
    for name, package in PACKAGES.items():
        predictor = package.SamPredictor(models[name])
        predictor.set_image(IMAGE[..., ::-1], image_format="BGR")
        embeddings.append(predictor.features)
    torch.testing.assert_close(*embeddings, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(75, 110), (110, 75), (3, 200), (40, 40)])
def test_transform_scales_as_the_reference(size):
    theirs = reference_package.utils.transforms.ResizeLongestSide(96)
    ours = facade.ResizeLongestSide(96)
    image = smooth_image(*size)
    random = np.random.default_rng(0)
    points, boxes = random.uniform(0, 100, (2, 5, 2)), random.uniform(0, 100, (3, 4))
    assert np.array_equal(ours.apply_image(image), theirs.apply_image(image))
    assert np.array_equal(ours.apply_coords(points, size), theirs.apply_coords(points, size))
    assert np.array_equal(ours.apply_boxes(boxes, size), theirs.apply_boxes(boxes, size))
    for name, values in (("apply_coords_torch", points), ("apply_boxes_torch", boxes)):
        got, expected = (
            getattr(transform, name)(torch.tensor(values), size) for transform in (ours, theirs)
        )
        torch.testing.assert_close(got, expected)


def test_torch_image_is_scaled_by_its_height_and_width():
    scaled = facade.ResizeLongestSide(96).apply_image_torch(torch.zeros(1, 3, 75, 110))
    assert scaled.shape == (1, 3, 65, 96)


@pytest.fixture(scope="module")
def vivid_models() -> dict[str, torch.nn.Module]:
    """Return both models with strong decoder weights and a high threshold: masks of many shapes."""
    reference, ours = vivid_pair(CONFIG, LARGE_IMAGE)
    return {"segment_anything": reference, "anymask": ours.eval()}


LARGE_IMAGE = smooth_image(225, 330, seed=1)
GENERATOR_OPTIONS = {
    "permissive": {"pred_iou_thresh": -100, "stability_score_thresh": 0.0},
    "strict": {"points_per_side": 8, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.3},
    "crops": {
        "points_per_side": 6,
        "pred_iou_thresh": -100,
        "stability_score_thresh": 0.0,
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
    },
    "grids": {
        "points_per_side": None,
        "point_grids": [np.array([[0.2, 0.7], [0.5, 0.5], [0.9, 0.1]])],
        "pred_iou_thresh": -100,
        "stability_score_thresh": 0.0,
        "points_per_batch": 1,
    },
}


@pytest.mark.parametrize("options", GENERATOR_OPTIONS.values(), ids=GENERATOR_OPTIONS)
def test_generator_finds_the_same_masks_in_the_same_order(vivid_models, options):
    options = {
        "points_per_side": 5,
        "stability_score_offset": 0.3,
        "box_nms_thresh": 0.9,
        "output_mode": "uncompressed_rle",
        **options,
    }
    expected, got = (
        package.SamAutomaticMaskGenerator(vivid_models[name], **options).generate(LARGE_IMAGE)
        for name, package in PACKAGES.items()
    )
    expected = [record for record in expected if record["area"]]  # ours drops empty masks
    assert len(got) == len(expected) > 1
    for ours, reference in zip(got, expected, strict=True):
        assert list(ours) == list(reference)
        assert np.count_nonzero(decode(ours) != decode(reference)) < 8
        assert ours["area"] == pytest.approx(reference["area"], abs=8)
        assert ours["predicted_iou"] == pytest.approx(reference["predicted_iou"], abs=1e-4)
        assert ours["stability_score"] == pytest.approx(reference["stability_score"], abs=1e-3)
        assert ours["point_coords"] == reference["point_coords"]
        assert ours["crop_box"] == reference["crop_box"]


def decode(record: dict) -> np.ndarray:
    return Rle.from_coco(record["segmentation"]).to_mask()


def test_boxes_of_records_hold_whole_pixels(models):
    # The documented difference: the reference's boxes are one pixel short.
    generator = facade.SamAutomaticMaskGenerator(
        models["anymask"], points_per_side=3, pred_iou_thresh=-1, stability_score_thresh=0.0
    )
    records = generator.generate(IMAGE)
    assert records
    for record in records:
        columns = np.flatnonzero(record["segmentation"].any(axis=0))
        assert record["bbox"][0] == columns[0]
        assert record["bbox"][2] == columns[-1] + 1 - columns[0]


def test_output_modes_hold_the_same_masks(models):
    found = {}
    for mode in ("binary_mask", "uncompressed_rle", "coco_rle"):
        generator = facade.SamAutomaticMaskGenerator(
            models["anymask"],
            points_per_side=3,
            pred_iou_thresh=-1,
            stability_score_thresh=0.0,
            output_mode=mode,
        )
        found[mode] = [record["segmentation"] for record in generator.generate(IMAGE)]
    for mask, plain, packed in zip(*found.values(), strict=True):
        assert isinstance(packed["counts"], str)
        assert np.array_equal(mask, Rle.from_coco(plain).to_mask())
        assert np.array_equal(mask, Rle.from_coco(packed).to_mask())


def test_predictor_without_image_says_so(models):
    predictor = facade.SamPredictor(models["anymask"])
    with pytest.raises(RuntimeError, match="set_image"):
        predictor.predict()
    with pytest.raises(RuntimeError, match="set_image"):
        predictor.get_image_embedding()
    predictor.set_image(IMAGE)
    assert predictor.is_image_set
    predictor.reset_image()
    assert predictor.features is None
    with pytest.raises(RuntimeError, match="set_image"):
        predictor.predict_torch(None, None)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda p: p.set_image(IMAGE, image_format="HSV"), "image_format must be RGB or BGR"),
        (lambda p: p.set_torch_image(torch.zeros(1, 3, 50, 50), (50, 50)), "longest side 96"),
        (lambda p: p.predict(point_coords=np.array([[1, 1]])), "point_labels must come with"),
    ],
)
def test_wrong_use_of_the_predictor_is_told(models, call, text):
    predictor = facade.SamPredictor(models["anymask"])
    predictor.set_image(IMAGE)
    with pytest.raises(InvalidInputError, match=text):
        call(predictor)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"points_per_side": None}, "got neither"),
        ({"point_grids": [np.zeros((1, 2))]}, "got both"),
        ({"output_mode": "polygon"}, "output_mode must be one of binary_mask"),
    ],
)
def test_wrong_options_of_the_generator_are_told(models, options, text):
    with pytest.raises(InvalidInputError, match=text):
        facade.SamAutomaticMaskGenerator(models["anymask"], **options)


def test_facade_runs_the_default_structure_with_fine_features():
    torch.manual_seed(0)
    predictor = facade.SamPredictor(build_sam(tiny()).eval())
    predictor.set_image(IMAGE)
    masks, scores, logits = predictor.predict(np.array([[9, 9]]), np.array([1]))
    assert masks.shape == (3, *IMAGE.shape[:2])
    again = predictor.predict(
        np.array([[9, 9]]), np.array([1]), mask_input=logits[:1], multimask_output=False
    )
    assert again[2].shape == (1, tiny().mask_size, tiny().mask_size)
    assert np.isfinite(scores).all()


def test_registry_has_the_reference_names_and_refuses_another_models_file(tmp_path, models):
    assert set(reference_package.sam_model_registry) <= set(sam_model_registry)
    path = tmp_path / "other.pth"
    torch.save(models["segment_anything"].state_dict(), path)
    with pytest.raises(CheckpointError, match="must hold the model vit_b"):
        sam_model_registry["vit_b"](checkpoint=path)


def test_documented_batched_call_gives_the_same(models: dict[str, torch.nn.Module]) -> None:
    ours = ReferenceSam(models["anymask"]).eval()
    transform = ResizeLongestSide(ours.image_encoder.img_size)
    other = smooth_image(90, 60, seed=5)

    def prepare(image: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(transform.apply_image(image)).permute(2, 0, 1).contiguous()

    boxes = torch.tensor([[7, 6, 50, 70], [45, 3, 80, 40]])
    points = torch.tensor([[[20, 30]]])
    batched_input = [
        {
            "image": prepare(IMAGE),
            "boxes": transform.apply_boxes_torch(boxes, IMAGE.shape[:2]),
            "original_size": IMAGE.shape[:2],
        },
        {
            "image": prepare(other),
            "point_coords": transform.apply_coords_torch(points, other.shape[:2]),
            "point_labels": torch.tensor([[1]]),
            "original_size": other.shape[:2],
        },
    ]
    for multimask_output in (False, True):
        expected = models["segment_anything"](batched_input, multimask_output=multimask_output)
        answers = ours(batched_input, multimask_output=multimask_output)
        for ours_row, row in zip(answers, expected, strict=True):
            assert set(ours_row) == set(row)
            assert ours_row["masks"].shape == row["masks"].shape
            assert (ours_row["masks"] != row["masks"]).float().mean() < 1e-3
            for key in ("iou_predictions", "low_res_logits"):
                torch.testing.assert_close(ours_row[key], row[key], atol=1e-4, rtol=1e-4)
