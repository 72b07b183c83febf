"""One training step's loss: encode the images once, then several rounds of simulated prompting.

The first round answers an ambiguous prompt with three masks; later rounds have several prompts and
are answered by the single-mask token (the paper's rule), with the logits of the mask of highest
predicted IoU fed back. A few middle rounds run without gradients when the budget is small.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.sam import Sam
from anymask.training.batches import LOGIT_STRIDE, TrainBatch
from anymask.training.config import TrainConfig
from anymask.training.losses import LossTerms, affinity_loss, round_loss
from anymask.training.prompt_sampling import error_prompts, inside, sample_points, start_prompts


@dataclass(frozen=True, kw_only=True, eq=False)
class StepLosses:
    """The losses of a step; `total` is what is differentiated."""

    total: Tensor
    first_round: LossTerms
    last_round: LossTerms
    affinity: Tensor

    def values(self) -> dict[str, float]:
        """The terms by name, as Python numbers."""
        rows = {"loss": self.total, "affinity": self.affinity}
        for name, terms in (("first", self.first_round), ("last", self.last_round)):
            rows |= {f"{name}_mask": terms.mask, f"{name}_dice": terms.dice}
            rows |= {f"{name}_iou": terms.iou}
        return {name: float(value.detach()) for name, value in rows.items()}


def step_generator(seed: int, step: int) -> torch.Generator:
    """The randomness of a step's prompts."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def training_losses(
    model: Sam, batch: TrainBatch, config: TrainConfig, generator: torch.Generator
) -> StepLosses:
    """The losses of one batch, ready for `total.backward()`."""
    prompts = config.prompts
    device = next(model.parameters()).device
    images = model.preprocess(list(batch.images.to(device).float()), batch.image_size)
    features = model.encode_images(images.contiguous(memory_format=torch.channels_last))
    targets = batch.target_masks.to(device)

    coords, labels = start_prompts(batch.target_masks, batch.target_boxes, prompts, generator)
    decoded = _decode(model, features, batch, coords, labels, None, first=True)
    three = DecodedMasks(
        low_res_logits=decoded.low_res_logits[:, 1:], iou_predictions=decoded.iou_predictions[:, 1:]
    )
    first_round = round_loss(three, targets, config.loss)
    # The single-mask token also answers first prompts, so that users may ask it for boxes.
    single = DecodedMasks(
        low_res_logits=decoded.low_res_logits[:, :1], iou_predictions=decoded.iou_predictions[:, :1]
    )
    total = first_round.total + 0.5 * round_loss(single, targets, config.loss).total
    affinity = _affinity(features, batch, config, generator)
    total = total + config.loss.affinity_weight * affinity
    last_round = first_round

    span = prompts.max_rounds - prompts.min_rounds + 1
    num_rounds = prompts.min_rounds + int(torch.randint(span, (), generator=generator))
    logits = three.best().detach()
    for i in range(num_rounds):
        is_middle = 0 < i < num_rounds - 1
        is_blank = is_middle and float(torch.rand((), generator=generator)) < (
            prompts.blank_probability
        )
        if not is_blank:
            more = error_prompts(logits[:, 0].float().cpu(), batch.target_masks, prompts, generator)
            coords = torch.cat([coords, more[0]], dim=1)
            labels = torch.cat([labels, more[1]], dim=1)
        is_graded = i >= num_rounds - prompts.graded_rounds
        with torch.set_grad_enabled(is_graded):
            decoded = _decode(model, features, batch, coords, labels, logits, first=False)
        if is_graded:
            last_round = round_loss(decoded, targets, config.loss)
            total = total + last_round.total
        logits = decoded.low_res_logits.detach()
    return StepLosses(
        total=total, first_round=first_round, last_round=last_round, affinity=affinity
    )


def _affinity(
    features: ImageFeatures, batch: TrainBatch, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    if features.stride8 is None or config.loss.affinity_weight == 0.0:
        return features.image_embeddings.new_zeros(())
    points = sample_points(inside(batch.target_masks), 0.0, generator)
    per_target = features.stride8[batch.image_index.to(features.stride8.device)]
    cells = (
        (points / (2 * LOGIT_STRIDE))
        .long()
        .clamp(0, per_target.shape[-1] - 1)
        .to(per_target.device)
    )
    targets = F.avg_pool2d(batch.target_masks.unsqueeze(1), 2)[:, 0].to(per_target.device)
    return affinity_loss(per_target, cells, targets)


def _decode(
    model: Sam,
    features: ImageFeatures,
    batch: TrainBatch,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
    *,
    first: bool,
) -> DecodedMasks:
    device = features.image_embeddings.device
    prompts = PromptTensors(
        point_coords=coords.to(device),
        point_labels=labels.to(device),
        mask_input=None if mask_input is None else mask_input.float(),
    )
    index = batch.image_index.to(device)
    return model.decode(features, prompts, index, multimask_output=None if first else False)
