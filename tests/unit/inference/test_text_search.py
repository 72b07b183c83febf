from dataclasses import replace

import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import Prompt
from anymask.inference.predictor import Predictor
from anymask.inference.text_search import TextInstance, TextSearch
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny
from text_fakes import RADII, WORDS, WordEncoder, planted_predictor
from tiny_predictor import noise_image, tiny_predictor

LEFT = (slice(1, 4), slice(1, 4))  # of the grid's rows and columns; 16 model pixels a cell
RIGHT = (slice(2, 4), slice(6, 8))


def middle(instance: TextInstance) -> tuple[float, float]:
    """Return the x, y of the mask's centre of mass."""
    rows, columns = np.nonzero(instance.segmentation.to_mask())
    return float(columns.mean()), float(rows.mean())


def test_planted_instance_is_found_first_with_its_score():
    predictor = planted_predictor(cat=LEFT, dog=RIGHT)
    embedding = predictor.embed(noise_image(256, 256))  # two pixels for one of the model
    found = TextSearch(predictor).find(embedding, "the cat")
    best = found[0]
    assert best.text == "the cat"
    assert best.segmentation.size == (256, 256)
    x, y = middle(best)
    assert (x, y) == pytest.approx((80, 80), abs=12)
    # a disc of radius 5 about the middle of 12 x 12 mask cells lies within them
    assert best.text_score == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-3)
    assert best.iou_prediction == pytest.approx(0.9)
    assert 0.5 < best.stability_score < 1
    quality = np.sqrt(best.iou_prediction * best.stability_score)
    assert best.score == pytest.approx(np.sqrt(best.text_score * quality), abs=1e-5)
    assert best.low_res_logits.shape == (1, 32, 32)
    area = np.pi * (RADII[1] * 8) ** 2
    assert best.segmentation.area == pytest.approx(area, rel=0.05)


def test_every_place_of_a_word_gives_its_instance():
    predictor = planted_predictor(cat=(slice(3, 4), slice(1, 2)))
    predictor.model.text_link.plant("cat", slice(3, 4), slice(6, 7))
    found = TextSearch(predictor, threshold=0.5).find(predictor.embed(noise_image(128, 128)), "cat")
    first = sorted(middle(one)[0] for one in found[:2])
    assert first == pytest.approx([23.5, 103.5], abs=2)


def test_absent_word_gives_nothing_or_low_scores():
    predictor = planted_predictor(cat=LEFT)
    embedding = predictor.embed(noise_image(128, 128))
    present = TextSearch(predictor).find(embedding, "cat")[0].score
    for absent in ("dog", "locomotive"):
        assert TextSearch(predictor, threshold=0.5).find(embedding, absent) == ()
        everything = TextSearch(predictor, threshold=0).find(embedding, absent)
        assert max(one.score for one in everything) < 0.6 * present


def test_instances_are_ranked_above_the_threshold_and_limited():
    predictor = planted_predictor(sky=(slice(0, 8), slice(0, 8)))
    embedding = predictor.embed(noise_image(128, 128))
    everything = TextSearch(predictor, threshold=0).find(embedding, "sky")
    scores = [one.score for one in everything]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 4
    cut = scores[2] - 1e-6
    assert [one.score for one in TextSearch(predictor, threshold=cut).find(embedding, "sky")] == [
        score for score in scores if score >= cut
    ]
    few = TextSearch(predictor, threshold=0, max_instances=2).find(embedding, "sky")
    assert [one.score for one in few] == scores[:2]


def test_instances_do_not_repeat_each_other():
    predictor = planted_predictor(sky=(slice(0, 8), slice(0, 8)))
    found = TextSearch(predictor, threshold=0).find(predictor.embed(noise_image(128, 128)), "sky")
    masks = [one.segmentation.to_mask() for one in found]
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            assert (mask & other).sum() <= 0.55 * (mask | other).sum()


def test_search_repeats_and_does_not_depend_on_the_batches():
    predictor = planted_predictor(cat=LEFT, sky=(slice(0, 8), slice(0, 8)))
    embedding = predictor.embed(noise_image(90, 128))
    for text in ("cat", "sky"):
        first = TextSearch(predictor).find(embedding, text)
        for size in (64, 1, 7):
            again = TextSearch(predictor, points_per_batch=size).find(embedding, text)
            assert [one.segmentation for one in again] == [one.segmentation for one in first]
            assert [one.score for one in again] == pytest.approx([one.score for one in first])


def test_clicks_stay_in_the_image_and_carry_the_text():
    predictor = planted_predictor(cat=LEFT)
    frame = predictor.embed(noise_image(40, 128))
    TextSearch(predictor).find(frame, "dog")  # nothing hot: a grid over the image
    (asked,) = predictor.prompts
    x, y = asked.point_coords[:, 0].unbind(1)
    assert float(y.max()) < 40
    assert float(x.max()) > 100
    assert asked.has_text.all()
    assert asked.text_embeddings[:, WORDS.index("dog")].eq(1).all()


def test_heat_map_has_the_image_size_and_its_place():
    predictor = planted_predictor(cat=LEFT)
    heat = TextSearch(predictor).heat_map(predictor.embed(noise_image(256, 256)), "cat")
    assert heat.shape == (256, 256)
    assert heat[80, 80] == pytest.approx(0.88, abs=0.01)
    assert heat[200, 200] == pytest.approx(0.12, abs=0.01)


def test_words_choose_among_the_masks_of_a_click():
    """The largest disc claims less than the middle one, but the words fit all of it."""
    predictor = planted_predictor(cat=(slice(3, 5), slice(3, 5)), sky=(slice(0, 8), slice(0, 8)))
    embedding = predictor.embed(noise_image(128, 128))
    click = Prompt(point_coords=[[64, 64]])
    search = TextSearch(predictor, threshold=0)
    (cat,) = search.find(embedding, "cat", click)
    (sky,) = search.find(embedding, "sky", click)
    assert cat.text_score < sky.text_score
    assert cat.segmentation.area <= sky.segmentation.area
    (dog,) = search.find(embedding, "dog", click)
    assert dog.score < 0.6 * sky.score
    assert TextSearch(predictor, threshold=0.5).find(embedding, "dog", click) == ()


def test_masks_must_agree_with_the_points():
    predictor = planted_predictor(sky=(slice(0, 8), slice(0, 8)))
    embedding = predictor.embed(noise_image(128, 128))
    search = TextSearch(predictor, threshold=0)
    wide = Prompt(point_coords=[[64, 64], [64 + 30, 64]])  # only the largest disc reaches there
    (one,) = search.find(embedding, "sky", wide)
    assert one.segmentation.area == pytest.approx(np.pi * (4 * RADII[2]) ** 2, rel=0.05)
    narrow = Prompt(point_coords=[[64, 64], [64 + 14, 64]], point_labels=[1, 0])
    (one,) = search.find(embedding, "sky", narrow)
    assert one.segmentation.area == pytest.approx(np.pi * (4 * RADII[0]) ** 2, rel=0.1)
    nowhere = Prompt(point_coords=[[10, 64], [120, 64]])
    assert search.find(embedding, "sky", nowhere) == ()


def test_box_restricts_the_words():
    predictor = planted_predictor(cat=LEFT, sky=(slice(0, 8), slice(0, 8)))
    embedding = predictor.embed(noise_image(128, 128))
    search = TextSearch(predictor, threshold=0)
    (one,) = search.find(embedding, "sky", Prompt(box=[64 - 21, 64 - 21, 64 + 21, 64 + 21]))
    assert one.segmentation.area == pytest.approx(np.pi * (4 * RADII[1]) ** 2, rel=0.05)
    assert search.find(embedding, "sky", Prompt(box=[60, 60, 66, 66])) == ()


def test_a_network_of_random_weights_is_searched(tmp_path):
    config = replace(tiny(), text_dim=len(WORDS), text_link_dim=4, iou_from_mask=True)
    predictor = Predictor(build_sam(config, seed=7), "t", "cpu", text_encoder=WordEncoder())
    search = TextSearch(predictor, threshold=0)
    for size in ((50, 70), (70, 33), (3, 200), (1, 1)):
        embedding = predictor.embed(noise_image(*size))
        for one in search.find(embedding, "dog"):
            assert one.segmentation.size == size
            numbers = (one.score, one.text_score, one.iou_prediction, one.stability_score)
            assert all(0 <= number <= 1 for number in numbers)
        x = (size[1] - 1) / 2
        assert len(search.find(embedding, "dog", Prompt(point_coords=[[x, 0]]))) <= 1


def test_model_without_a_text_link_says_so():
    config = replace(tiny(), text_dim=0, text_link_dim=0)
    predictor = Predictor(build_sam(config), "mute", "cpu")
    with pytest.raises(InvalidInputError, match="a model with a text link, got mute without"):
        TextSearch(predictor)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"threshold": 1.5}, "threshold must be between 0 and 1, got 1.5"),
        ({"threshold": float("nan")}, "threshold must be between 0 and 1, got nan"),
        ({"nms_thresh": -0.1}, "nms_thresh must be between 0 and 1"),
        ({"max_instances": 0}, "max_instances must be at least 1, got 0"),
        ({"max_seeds": 0}, "max_seeds must be at least 1"),
        ({"points_per_batch": 0}, "points_per_batch must be at least 1"),
    ],
)
def test_options_out_of_range_are_told(options, text):
    with pytest.raises(InvalidInputError, match=text):
        TextSearch(planted_predictor(), **options)


def test_wrong_requests_are_told():
    predictor = planted_predictor()
    search = TextSearch(predictor)
    embedding = predictor.embed(noise_image())
    with pytest.raises(InvalidInputError, match="text must have a word, got '  '"):
        search.find(embedding, "  ")
    with pytest.raises(InvalidInputError, match="inside the image of 70 x 50 pixels"):
        search.find(embedding, "cat", Prompt(point_coords=[[71, 9]]))
    with pytest.raises(InvalidInputError, match="of model planted-test, got one of tiny-test"):
        search.find(tiny_predictor().embed(noise_image()), "cat")


def test_search_leaves_no_gradients():
    predictor = planted_predictor(cat=LEFT)
    found = TextSearch(predictor).find(predictor.embed(noise_image()), "cat")
    assert isinstance(found[0].low_res_logits, np.ndarray)
    assert torch.is_grad_enabled()
