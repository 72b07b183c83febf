"""The text link alone as an objective: names for places, on the features of a frozen model.

The link is small and the encoder does not change, so that the features of an image are computed
once and kept: after the first pass over the data a step costs next to nothing.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from anymask.core.errors import InvalidInputError
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch
from anymask.training.encoding import encode_batch
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import SamObjective
from anymask.training.share import Share
from anymask.training.step import step_draws
from anymask.training.text_link_loss import Vocabulary, region_vectors, text_link_loss

_MAX_CACHE_BYTES = 4 << 30


class TextLinkObjective(SamObjective):
    """Trains `Sam.text_link` of given weights; see `SamObjective` for the arguments.

    Views without random scale or colour (the preset `text_link`) make the most of the kept
    features; others work, and are encoded each time.
    """

    def build_model(self) -> Sam:
        """The given weights, of which only the text link learns.

        Raises:
            InvalidInputError: the model has no text link, or the data have no names.
        """
        model = super().build_model()
        if model.text_link is None:
            raise InvalidInputError(
                f"model must have a text link, got {self.config.model} without. Choose another."
            )
        if self._vocabulary is None:
            raise InvalidInputError(
                "data must name what their masks show, got no names. Add categories to them."
            )
        model.requires_grad_(False)
        model.text_link.requires_grad_(True)
        self._features: dict[bytes, Tensor] = {}
        return model

    def losses(
        self, model: nn.Module, batch: TrainBatch, step: int, share: Share
    ) -> dict[str, Tensor]:
        """The text link's loss."""
        assert isinstance(model, Sam)
        assert model.text_link is not None
        assert self._vocabulary is not None
        embeddings = self._embed(model, batch)
        draws = step_draws(self.config.seed, step)
        draw = draws.branch(1 + share.index)
        loss = text_link_loss(model.text_link, embeddings, batch, self._vocabulary, draw)
        return {"loss": loss, "target_losses": loss.detach().expand(len(batch.image_index))}

    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> dict[str, float]:
        """How well held-out targets and names fit each other.

        "name_top1", "name_top5": share of targets whose name is the best, among the best five of
        all; "present", "absent": mean probability of the right name, of the names that the image
        does not have.
        """
        assert isinstance(model, Sam)
        assert self._vocabulary is not None
        rows = [
            name_scores(model, self._embed(model, batch), batch, self._vocabulary)
            for batch in self.held_out_batches(step)
        ]
        scores = {name: torch.cat([row[name] for row in rows]) for name in rows[0]} if rows else {}
        return {name: float(values.mean()) for name, values in scores.items() if len(values)}

    @torch.no_grad()
    def _embed(self, model: Sam, batch: TrainBatch) -> Tensor:
        """(B, D, h, w) of a batch, each image encoded when it is first seen."""
        device = next(model.parameters()).device
        keys = [_digest(image) for image in batch.images]
        new = [i for i, key in enumerate(keys) if key not in self._features]
        found: dict[bytes, Tensor] = {}
        if new:
            features = encode_batch(model, batch.images[new])
            for i, embedding in zip(new, features.image_embeddings, strict=True):
                found[keys[i]] = embedding.to("cpu", torch.float16)
        rows = [found[key] if key in found else self._features[key] for key in keys]
        if (len(self._features) + len(found)) * rows[0].nbytes <= _MAX_CACHE_BYTES:
            self._features |= found
        return torch.stack([row.float() for row in rows]).to(device)


@torch.no_grad()
def name_scores(
    model: Sam, embeddings: Tensor, batch: TrainBatch, vocabulary: Vocabulary
) -> dict[str, Tensor]:
    """What `TextLinkObjective.validate` averages: a number for each named target of the batch.

    "absent" has one for each pair of such a target and a name that its image does not have.
    """
    assert model.text_link is not None
    link = model.text_link
    cells = link.cells(embeddings)
    words = link.words(vocabulary.embeddings.to(embeddings.device))
    ids = vocabulary.ids(batch.target_names)
    named = ids >= 0
    regions = region_vectors(cells, batch)[named.to(cells.device)]
    logits = (link.log_scale.exp() * regions @ words.T + link.bias).cpu()
    present = vocabulary.present(batch)[batch.image_index[named]]
    right = logits.gather(1, ids[named, None])
    # Other names of the image are no mistakes: a part, a whole, the same in another word.
    rivals = logits.masked_fill(present, -torch.inf)
    better = (rivals > right).sum(1)
    absent = logits.sigmoid()[~present]
    return {
        "name_top1": (better == 0).float(),
        "name_top5": (better < 5).float(),
        "present": right[:, 0].sigmoid(),
        "absent": absent,
    }


def _digest(image: Tensor) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image.numpy()).data, digest_size=16).digest()
