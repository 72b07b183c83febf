"""The rounds of simulated prompting over encoded images (App. A, "Training algorithm").

The first round answers an ambiguous prompt with three masks; later rounds have several prompts and
are answered by the single-mask token (the paper's rule), with the logits of the mask of highest
predicted IoU fed back. Rounds that are not graded run without gradients.

Letters: P prompts, one for each target; M masks; side = S/4 cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.sam import Sam
from anymask.training.batches import LOGIT_STRIDE
from anymask.training.config import TrainConfig
from anymask.training.draws import Draws
from anymask.training.losses import LossTerms, affinity_loss, round_loss
from anymask.training.prompt_sampling import blank_rounds, error_prompts, inside, sample_points


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptedTargets:
    """Targets and the first prompts for them, on the model's device.

    Attributes:
        masks: (P, side, side) coverage.
        image_index: (P,) int64.
        prompts: P prompts, without masks.
    """

    masks: Tensor
    image_index: Tensor
    prompts: PromptTensors

    def part(self, start: int, stop: int) -> "PromptedTargets":
        """Targets `start` to `stop`."""
        text, has_text = self.prompts.text_embeddings, self.prompts.has_text
        prompts = PromptTensors(
            point_coords=self.prompts.point_coords[start:stop],
            point_labels=self.prompts.point_labels[start:stop],
            text_embeddings=None if text is None else text[start:stop],
            has_text=None if has_text is None else has_text[start:stop],
        )
        return PromptedTargets(
            masks=self.masks[start:stop],
            image_index=self.image_index[start:stop],
            prompts=prompts,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundLosses:
    """What all rounds cost.

    Attributes:
        total: scalar, learns.
        graded: the terms of the first round and of the later ones that are graded, in order.
        affinity: scalar; 0 where it is not used.
    """

    total: Tensor
    graded: tuple[LossTerms, ...]
    affinity: Tensor


def round_losses(
    model: Sam,
    features: ImageFeatures,
    targets: PromptedTargets,
    config: TrainConfig,
    draws: Draws,
) -> RoundLosses:
    """The losses of simulated prompting for these targets, means over them."""
    loss, prompts = config.loss, targets.prompts
    num_skipped = 1 if loss.single_mask_weight else 0  # the single-mask token comes first
    decoded = model.decode(
        features, prompts, targets.image_index, multimask_output=None if num_skipped else True
    )
    three = _masks(decoded, slice(num_skipped, None))
    graded = [round_loss(three, targets.masks, loss)]
    total = graded[0].total
    if loss.single_mask_weight:
        single = round_loss(_masks(decoded, slice(0, 1)), targets.masks, loss)
        total = total + loss.single_mask_weight * single.total
    affinity = _affinity(features, targets, config, draws)
    total = total + loss.affinity_weight * affinity

    span = config.prompts.max_rounds - config.prompts.min_rounds + 1
    num_rounds = config.prompts.min_rounds + draws.integer(span)
    logits = three.best().detach()
    for i, is_blank in enumerate(blank_rounds(num_rounds, config.prompts, draws)):
        if not is_blank:
            click = error_prompts(logits[:, 0].float(), targets.masks, config.prompts, draws)
            prompts = replace(
                prompts,
                point_coords=torch.cat([prompts.point_coords, click[0]], dim=1),
                point_labels=torch.cat([prompts.point_labels, click[1]], dim=1),
            )
        prompts = replace(prompts, mask_input=logits.float())
        is_graded = i >= num_rounds - config.prompts.graded_rounds
        with torch.set_grad_enabled(is_graded and torch.is_grad_enabled()):
            decoded = model.decode(features, prompts, targets.image_index, multimask_output=False)
        if is_graded:
            graded.append(round_loss(decoded, targets.masks, loss))
            total = total + graded[-1].total
        logits = decoded.low_res_logits.detach()
    return RoundLosses(total=total, graded=tuple(graded), affinity=affinity)


def mean_losses(parts: Sequence[RoundLosses]) -> RoundLosses:
    """The losses of all targets, from those of parts that went through the same rounds."""
    sizes = torch.tensor([float(len(part.graded[0].mask)) for part in parts])
    shares = (sizes / sizes.sum()).tolist()

    def mean(values: Sequence[Tensor]) -> Tensor:
        return torch.stack([share * v for share, v in zip(shares, values, strict=True)]).sum(0)

    graded = tuple(
        LossTerms(
            total=mean([terms.total for terms in rounds]),
            mask=torch.cat([terms.mask for terms in rounds]),
            dice=torch.cat([terms.dice for terms in rounds]),
            iou=torch.cat([terms.iou for terms in rounds]),
        )
        for rounds in zip(*(part.graded for part in parts), strict=True)
    )
    return RoundLosses(
        total=mean([part.total for part in parts]),
        graded=graded,
        affinity=mean([part.affinity for part in parts]),
    )


def _masks(decoded: DecodedMasks, slots: slice) -> DecodedMasks:
    return DecodedMasks(
        low_res_logits=decoded.low_res_logits[:, slots],
        iou_predictions=decoded.iou_predictions[:, slots],
    )


def _affinity(
    features: ImageFeatures, targets: PromptedTargets, config: TrainConfig, draws: Draws
) -> Tensor:
    if features.stride8 is None or config.loss.affinity_weight == 0.0:
        return features.image_embeddings.new_zeros(())
    points = sample_points(inside(targets.masks), 0.0, draws)
    per_target = features.stride8[targets.image_index]
    cells = (points / (2 * LOGIT_STRIDE)).long().clamp(0, per_target.shape[-1] - 1)
    coverage = F.avg_pool2d(targets.masks.unsqueeze(1), 2)[:, 0]
    return affinity_loss(per_target, cells, coverage)
