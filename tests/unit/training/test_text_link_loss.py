"""What teaches the text link."""

import pytest
import torch

from anymask.model.text_link import TextLink
from anymask.training.batches import TrainBatch
from anymask.training.text_link_loss import Vocabulary, text_link_loss

SIDE = 16  # of the targets; 4 x 4 cells


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(names=("cat", "dog", "sky"), embeddings=torch.eye(3, 5))


def batch(names: tuple[str, ...], *, complete: bool = True) -> TrainBatch:
    """One image; the first target is its left half, a second its right half."""
    masks = torch.zeros(len(names), SIDE, SIDE)
    masks[0, :, :8] = 1
    if len(names) > 1:
        masks[1, :, 8:] = 1
    return TrainBatch(
        images=torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        target_masks=masks,
        target_boxes=torch.tensor([[0.0, 0.0, 32.0, 64.0]]).repeat(len(names), 1),
        image_index=torch.zeros(len(names), dtype=torch.int64),
        target_names=names,
        name_is_complete=torch.full((len(names),), complete),
        image_names=(tuple(sorted(set(names))),),
        paths=("a.png",),
    )


def linked(left: int, right: int) -> tuple[TextLink, torch.Tensor]:
    """A link whose space is that of the names, and an image whose halves show two of them."""
    link = TextLink(embed_dim=5, text_dim=5, link_dim=5)
    link.cell_projection = torch.nn.Sequential(torch.nn.Identity())
    link.word_projection.weight.data = torch.eye(5)
    image = torch.zeros(1, 5, 4, 4)
    image[0, left, :, :2] = 1
    image[0, right, :, 2:] = 1
    return link, image


def loss(link: TextLink, image: torch.Tensor, rows: TrainBatch, vocabulary: Vocabulary) -> float:
    generator = torch.Generator().manual_seed(0)
    return text_link_loss(link, image, rows, vocabulary, generator).item()


def test_right_names_cost_less_than_swapped_ones(vocabulary: Vocabulary) -> None:
    rows = batch(("cat", "dog"))
    right = loss(*linked(0, 1), rows, vocabulary)
    swapped = loss(*linked(1, 0), rows, vocabulary)
    assert right < 0.1 < 3.0 < swapped


def test_cells_beside_a_name_that_has_more_masks_elsewhere_are_not_judged(
    vocabulary: Vocabulary,
) -> None:
    everywhere = linked(0, 0)
    known, unknown = batch(("cat",)), batch(("cat",), complete=False)
    assert loss(*everywhere, known, vocabulary) > loss(*everywhere, unknown, vocabulary) + 0.5


def test_a_batch_without_known_names_costs_nothing(vocabulary: Vocabulary) -> None:
    link, image = linked(0, 1)
    assert loss(link, image, batch(("", "zebra")), vocabulary) == 0.0


def test_it_can_be_learned(vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    link = TextLink(embed_dim=8, text_dim=5, link_dim=6)
    image = torch.randn(1, 8, 4, 4)
    optimizer = torch.optim.Adam(link.parameters(), lr=0.02)
    rows = batch(("cat", "dog"))
    first = loss(link, image, rows, vocabulary)
    for step in range(60):
        generator = torch.Generator().manual_seed(step)
        value = text_link_loss(link, image, rows, vocabulary, generator)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert loss(link, image, rows, vocabulary) < 0.2 * first
