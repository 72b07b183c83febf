"""A model with text whose answers a test can work out: planted words, and discs for masks."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from anymask.inference.embedding import ImageEmbedding
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.features import DecodedMasks, PromptTensors
from anymask.model.presets import tiny

GRID = 8  # cells a side; the model input has 128 pixels, masks 32 cells
WORDS = ("cat", "dog", "sky")
RADII = (2.0, 5.0, 9.0)  # of the three masks, in mask cells
IOUS = (0.4, 0.9, 0.5)


class WordEncoder:
    """One axis for each of `WORDS`, nothing for other words."""

    text_dim = len(WORDS)

    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float(word in text) for word in WORDS] for text in texts])


class PlantedLink(nn.Module):
    """Says that a word is seen in planted cells with probability 0.88, elsewhere 0.12."""

    def __init__(self) -> None:
        super().__init__()
        self.planted = torch.zeros(1, len(WORDS), GRID, GRID)

    def plant(self, word: str, rows: slice, columns: slice) -> None:
        self.planted[0, WORDS.index(word), rows, columns] = 1

    def cells(self, image_embeddings: Tensor) -> Tensor:
        return self.planted

    def words(self, text_embeddings: Tensor) -> Tensor:
        return text_embeddings

    def logits(self, cells: Tensor, words: Tensor) -> Tensor:
        return 4 * torch.einsum("bkhw,tk->bthw", cells, words) - 2


class DiscModel(Predictor):
    """Answers three discs around the first foreground click, or in the middle of the box."""

    prompts: list[PromptTensors]

    def decode(
        self, embedding: ImageEmbedding, prompts: PromptTensors, *, multimask_output: bool
    ) -> DecodedMasks:
        assert multimask_output
        self.prompts.append(prompts)
        is_box = prompts.point_labels[:, -1] == 3
        middles = torch.where(
            is_box[:, None], prompts.point_coords[:, -2:].mean(1), prompts.point_coords[:, 0]
        )
        x, y = (middles / 4)[:, None, None].unbind(-1)  # P 1 1, in mask cells
        places = torch.arange(4 * GRID) + 0.5
        distance = torch.hypot(places[None, None] - x, places[None, :, None] - y)  # P side side
        logits = torch.stack([2 * (radius - distance) for radius in RADII], dim=1)
        ious = torch.tensor(IOUS).expand(len(logits), -1)
        return DecodedMasks(low_res_logits=logits, iou_predictions=ious)


def planted_predictor(**planted: tuple[slice, slice]) -> DiscModel:
    """A predictor that sees each word in the cells given for it."""
    config = replace(tiny(), image_size=16 * GRID, text_dim=len(WORDS), text_link_dim=2)
    model = build_sam(config, seed=7)
    link = PlantedLink()
    for word, (rows, columns) in planted.items():
        link.plant(word, rows, columns)
    model.text_link = link  # type: ignore[assignment]
    predictor = DiscModel(model, "planted-test", "cpu", text_encoder=WordEncoder())
    predictor.prompts = []
    return predictor
