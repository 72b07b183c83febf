"""The simulation of App. A: how many rounds, which prompts, what is fed back, who learns."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from anymask.core.prompts import PointLabel
from anymask.model.checkpoints import build_sam
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.presets import tiny_vit
from anymask.training.config import LossConfig, PromptConfig, TrainConfig
from anymask.training.draws import Draws
from anymask.training.presets import data_engine_vit_h, paper_vit_h, tiny
from anymask.training.prompt_sampling import blank_rounds, start_prompts
from anymask.training.rounds import PromptedTargets, RoundLosses, round_losses

SIDE = 16


def _draws(seed: int = 0) -> Draws:
    return Draws(generator=torch.Generator().manual_seed(seed))


@dataclass
class _Decoder:
    """Answers at random, and remembers what it was asked and what it said."""

    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(7))
    asked: list[tuple[PromptTensors, bool | None]] = field(default_factory=list)
    answers: list[DecodedMasks] = field(default_factory=list)
    has_gradient: list[bool] = field(default_factory=list)

    def decode(
        self,
        features: ImageFeatures,
        prompts: PromptTensors,
        image_index: Tensor,
        *,
        multimask_output: bool | None,
    ) -> DecodedMasks:
        P = len(image_index)
        M = {None: 4, True: 3, False: 1}[multimask_output]
        logits = torch.randn(P, M, SIDE, SIDE, generator=self.generator).requires_grad_()
        ious = torch.rand(P, M, generator=self.generator).requires_grad_()
        self.asked.append((prompts, multimask_output))
        self.answers.append(DecodedMasks(low_res_logits=logits, iou_predictions=ious))
        self.has_gradient.append(torch.is_grad_enabled())
        return self.answers[-1]


def _targets(P: int = 6, config: PromptConfig | None = None, seed: int = 0) -> PromptedTargets:
    masks = torch.zeros(P, SIDE, SIDE)
    for p in range(P):
        masks[p, 2 + p % 4 : 9 + p % 4, 3:12] = 1
    boxes = torch.tensor([[12.0, 8.0, 48.0, 36.0]]).expand(P, 4)
    coords, labels = start_prompts(masks, boxes, config or PromptConfig(), _draws(seed))
    return PromptedTargets(
        masks=masks,
        image_index=torch.zeros(P, dtype=torch.int64),
        prompts=PromptTensors(point_coords=coords, point_labels=labels),
    )


def _simulate(config: TrainConfig, seed: int = 0, P: int = 6) -> tuple[_Decoder, RoundLosses]:
    decoder = _Decoder()
    features = ImageFeatures(image_embeddings=torch.zeros(1, 4, 4, 4))
    targets = _targets(P, config.prompts, seed)
    losses = round_losses(decoder, features, targets, config, _draws(seed))  # type: ignore[arg-type]
    return decoder, losses


def _num_points(decoder: _Decoder) -> list[int]:
    return [prompts.point_labels.shape[1] for prompts, _ in decoder.asked]


def test_paper_runs_eleven_rounds_with_eight_clicks_and_grades_them_all() -> None:
    decoder, losses = _simulate(paper_vit_h())
    assert len(decoder.asked) == len(losses.graded) == 11
    assert all(decoder.has_gradient)
    counts = _num_points(decoder)
    assert counts[0] == 2  # a point and its pad, or two corners
    assert counts[-1] == counts[-2] == 2 + 8  # the last round is blank
    steps = [b - a for a, b in pairwise(counts)]
    assert Counter(steps) == {1: 8, 0: 2}


def test_first_prompt_gets_three_masks_and_later_ones_the_single_token() -> None:
    decoder, _ = _simulate(paper_vit_h())
    assert [multimask for _, multimask in decoder.asked] == [True] + [False] * 10


def test_data_engine_asks_points_only_and_four_in_all() -> None:
    decoder, losses = _simulate(data_engine_vit_h(), P=40)
    first = decoder.asked[0][0].point_labels
    assert (first == torch.tensor([PointLabel.FOREGROUND, PointLabel.PADDING])).all()
    counts = _num_points(decoder)
    assert counts[-1] == 2 + 3
    assert len(losses.graded) == 6


def test_middle_blank_round_lies_anywhere_among_the_clicks() -> None:
    config = paper_vit_h().prompts
    places = Counter()
    for seed in range(700):
        blank = list(blank_rounds(10, config, _draws(seed)))
        assert blank[9]
        assert sum(blank) == 2
        places[blank.index(True)] += 1
    # after the first click, ..., after the seventh of eight
    assert set(places) == {1, 2, 3, 4, 5, 6, 7}
    assert min(places.values()) > 60


def test_blank_rounds_by_chance_spare_the_first_and_the_last() -> None:
    config = PromptConfig(blank_probability=0.5)
    drawn = torch.tensor([list(blank_rounds(6, config, _draws(seed))) for seed in range(400)])
    assert not drawn[:, [0, 5]].any()
    assert 0.42 < float(drawn[:, 1:5].float().mean()) < 0.58


def test_mask_of_highest_predicted_iou_is_fed_back_as_raw_logits() -> None:
    decoder, _ = _simulate(paper_vit_h())
    assert decoder.asked[0][0].mask_input is None
    for i in range(1, 11):
        answer = decoder.answers[i - 1]
        index = answer.iou_predictions.argmax(1)
        expected = answer.low_res_logits[torch.arange(6), index].unsqueeze(1)
        given = decoder.asked[i][0].mask_input
        assert given is not None
        assert torch.equal(given, expected)
        assert not given.requires_grad
    assert (decoder.answers[0].iou_predictions.argmax(1) != 0).any()  # more than mask 0 was chosen


def test_clicks_fall_on_errors_and_are_labelled_by_them() -> None:
    decoder, _ = _simulate(paper_vit_h(), P=12)
    truth = _targets(12).masks > 0.5
    seen = Counter()
    for i in range(1, 11):
        before, after = decoder.asked[i - 1][0], decoder.asked[i][0]
        if after.point_labels.shape[1] == before.point_labels.shape[1]:
            assert torch.equal(after.point_coords, before.point_coords)
            continue
        assert torch.equal(after.point_coords[:, :-1], before.point_coords)
        assert after.mask_input is not None
        error = (after.mask_input[:, 0] > 0) != truth
        cells = (after.point_coords[:, -1] / 4).long()
        rows = torch.arange(12)
        assert error[rows, cells[:, 1], cells[:, 0]].all()
        labels = after.point_labels[:, -1]
        assert torch.equal(labels, truth[rows, cells[:, 1], cells[:, 0]].long())
        seen.update(labels.tolist())
    assert set(seen) == {0, 1}


def test_total_is_the_sum_of_all_rounds_with_the_papers_weights() -> None:
    _, losses = _simulate(paper_vit_h())
    by_hand = sum(
        20 * terms.mask.mean() + terms.dice.mean() + terms.iou.mean() for terms in losses.graded
    )
    assert float(losses.total.detach()) == pytest.approx(float(by_hand), rel=1e-5)


def test_small_recipe_grades_the_first_and_the_last_round_only() -> None:
    prompts = PromptConfig(min_rounds=4, max_rounds=4, graded_rounds=1)
    decoder, losses = _simulate(replace(tiny(), prompts=prompts))
    assert decoder.has_gradient == [True, False, False, False, True]
    assert len(losses.graded) == 2
    assert decoder.asked[0][1] is None  # the single-mask token answers the first prompt as well


def test_papers_loss_reaches_one_of_the_three_hypernetworks() -> None:
    model = build_sam(tiny_vit(), seed=0).train()
    config = paper_vit_h()
    features = model.encode_images(torch.randn(1, 3, 64, 64))
    round_losses(model, features, _targets(1, config.prompts), config, _draws()).total.backward()
    networks = model.mask_decoder.output_hypernetworks_mlps
    reached = [
        any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
        for network in networks
    ]
    assert reached[0]  # the single mask, in later rounds
    assert sum(reached[1:]) == 1
    head = model.mask_decoder.iou_prediction_head.layers[-1].weight.grad
    assert head.flatten(1).any(1).tolist() == reached  # the IoU of the chosen mask alone learns


def test_small_recipes_loss_reaches_all_hypernetworks() -> None:
    model = build_sam(tiny_vit(), seed=0).train()
    features = model.encode_images(torch.randn(1, 3, 64, 64))
    round_losses(model, features, _targets(1), tiny(), _draws()).total.backward()
    for network in model.mask_decoder.output_hypernetworks_mlps:
        assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_single_mask_weight_scales_the_single_tokens_first_answer() -> None:
    totals = [
        _simulate(replace(tiny(), loss=LossConfig(single_mask_weight=w)))[1].total.item()
        for w in (0.25, 0.5, 1.0)
    ]
    assert totals[2] - totals[1] == pytest.approx(2 * (totals[1] - totals[0]), rel=1e-4)
    assert totals[1] > totals[0]
