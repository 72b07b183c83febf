"""One training step's loss: encode the images once, ask for every target, simulate the rounds."""

from dataclasses import dataclass

import torch
from torch import Tensor

from anymask.model.features import ImageFeatures, PromptTensors
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch
from anymask.training.chunks import chunked_losses
from anymask.training.config import TrainConfig
from anymask.training.draws import Draws
from anymask.training.encoding import encode_batch
from anymask.training.prompt_sampling import start_prompts
from anymask.training.rounds import PromptedTargets, RoundLosses, round_losses
from anymask.training.text_link_loss import Vocabulary, text_link_loss
from anymask.training.text_prompts import TextSource, mix_text, name_source


@dataclass(frozen=True, kw_only=True, eq=False)
class StepLosses:
    """The losses of a step; `total` is what is differentiated."""

    total: Tensor
    rounds: RoundLosses
    text_link: Tensor

    def terms(self) -> dict[str, Tensor]:
        """The terms by name, scalars; only "loss" learns."""
        rounds = self.rounds
        rows = {"loss": self.total, "affinity": rounds.affinity, "text_link": self.text_link}
        for name, terms in (("first", rounds.graded[0]), ("last", rounds.graded[-1])):
            rows[f"{name}_mask"] = terms.mask.mean()
            rows[f"{name}_dice"] = terms.dice.mean()
            rows[f"{name}_iou"] = terms.iou.mean()
        return {name: row if name == "loss" else row.detach() for name, row in rows.items()}

    def target_losses(self) -> Tensor:
        """(P,) what each target cost, unweighted: a number that is not finite shows which."""
        graded = self.rounds.graded
        return torch.stack([terms.mask + terms.dice + terms.iou for terms in graded]).sum(0)

    def values(self) -> dict[str, float]:
        """The terms as Python numbers, fetched from the device at once."""
        terms = self.terms()
        numbers = torch.stack([value.detach().float() for value in terms.values()]).tolist()
        return dict(zip(terms, numbers, strict=True))


def step_draws(seed: int, step: int, num_targets: int | None = None, first: int = 0) -> Draws:
    """The randomness of a step's prompts; see `Draws` for a part of a batch."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    return Draws(generator=generator, num_targets=num_targets, first=first)


def training_losses(
    model: Sam,
    batch: TrainBatch,
    config: TrainConfig,
    draws: Draws,
    vocabulary: Vocabulary | None = None,
    text_source: TextSource | None = None,
) -> StepLosses:
    """The losses of one batch, ready for `total.backward()`.

    With a vocabulary, the model's text link learns. Where `text_source` (the vocabulary's names
    when left out) has an embedding, a part of the targets is asked for by it.
    """
    features = encode_batch(model, batch.images)
    if text_source is None and vocabulary is not None:
        text_source = name_source(vocabulary)
    targets = _prompted_targets(model, batch, config, draws, text_source)
    P, size = len(targets.masks), config.masks_per_chunk

    def losses_of(features: ImageFeatures, start: int, stop: int) -> RoundLosses:
        part = targets.part(start, stop)
        return round_losses(model, features, part, config, draws.part(start, P))

    rounds = (
        chunked_losses(losses_of, features, [model.prompt_encoder, model.mask_decoder], P, size)
        if 0 < size < P
        else losses_of(features, 0, P)
    )
    total = rounds.total
    text_link = total.new_zeros(())
    is_taught = config.loss.text_link_weight > 0
    if is_taught and model.text_link is not None and vocabulary is not None:
        embeddings = features.image_embeddings
        text_link = text_link_loss(model.text_link, embeddings, batch, vocabulary, draws.branch(1))
        total = total + config.loss.text_link_weight * text_link
    return StepLosses(total=total, rounds=rounds, text_link=text_link)


def _prompted_targets(
    model: Sam,
    batch: TrainBatch,
    config: TrainConfig,
    draws: Draws,
    text_source: TextSource | None,
) -> PromptedTargets:
    """The batch's targets and a first prompt for each, on the model's device."""
    prompts = config.prompts
    device = next(model.parameters()).device
    masks, boxes = batch.target_masks.to(device), batch.target_boxes.to(device)
    coords, labels = start_prompts(masks, boxes, prompts, draws)
    embeddings = has_text = None
    text_share = prompts.text_probability + prompts.text_alone_probability
    if text_source is not None and model.config.text_dim and text_share > 0:
        texts = text_source(batch, device)
        embeddings = texts.embeddings.to(device)
        coords, labels, has_text = mix_text(coords, labels, texts.is_known, prompts, draws)
    return PromptedTargets(
        masks=masks,
        image_index=batch.image_index.to(device),
        prompts=PromptTensors(
            point_coords=coords,
            point_labels=labels,
            text_embeddings=embeddings,
            has_text=has_text,
        ),
    )
