"""Prompts to embeddings: padding, fillers, masks, and the maps of drawn prompts."""

import dataclasses
import math

import pytest
import torch

from anymask.core.prompts import PointLabel
from anymask.model.features import PromptTensors
from anymask.model.presets import tiny, tiny_vit
from anymask.model.prompt_encoder import PromptEncoder, RandomFourierEncoding

GRID = 4  # cells a side; 64 pixels, maps of 16


def prompts_of(coords, labels, **masks) -> PromptTensors:
    return PromptTensors(
        point_coords=torch.tensor([coords], dtype=torch.float32).reshape(1, -1, 2),
        point_labels=torch.tensor([labels], dtype=torch.int64).reshape(1, -1),
        **masks,
    )


@pytest.fixture
def plain():
    torch.manual_seed(0)
    return PromptEncoder(tiny_vit())


@pytest.fixture
def drawing():
    torch.manual_seed(0)
    return PromptEncoder(tiny())


def drawn(encoder, prompts):
    """Return the four maps that both convolutions read."""
    return encoder._draw(prompts, 64, 16)[0]


def test_fourier_encoding_is_sines_then_cosines():
    encoding = RandomFourierEncoding(3)
    matrix = encoding.positional_encoding_gaussian_matrix
    angles = 2 * math.pi * (torch.tensor([2 * 0.25 - 1, 2 * 0.75 - 1]) @ matrix)
    expected = torch.cat([angles.sin(), angles.cos()])
    torch.testing.assert_close(encoding(torch.tensor([0.25, 0.75])), expected)


def test_grid_encoding_is_that_of_the_cell_centres():
    encoding = RandomFourierEncoding(3)
    grid = encoding.grid(2, 4)
    assert grid.shape == (1, 6, 2, 4)
    torch.testing.assert_close(grid[0, :, 1, 0], encoding(torch.tensor([0.125, 0.75])))


def test_each_label_has_its_own_embedding(plain):
    labels = [PointLabel.BACKGROUND, PointLabel.FOREGROUND, 2, 3]
    encoded = plain(prompts_of([[8.5, 40.5]] * 4, labels), GRID)
    position = plain.pe_layer(torch.tensor([8.5, 40.5]) / 64)
    torch.testing.assert_close(
        encoded.sparse_embeddings[0], position + plain.point_embeddings.weight
    )
    assert encoded.sparse_mask is None


def test_the_padding_point_is_one_learnt_embedding_wherever_it_lies(plain):
    encoded = plain(prompts_of([[0, 0], [50, 7]], [PointLabel.PADDING] * 2), GRID)
    assert torch.equal(encoded.sparse_embeddings[0], plain.not_a_point_embed.weight.expand(2, -1))
    assert encoded.sparse_mask is None


def test_fillers_are_marked(plain):
    encoded = plain(prompts_of([[1, 1], [0, 0]], [1, PointLabel.ABSENT]), GRID)
    assert encoded.sparse_mask.tolist() == [[True, False]]


def test_without_a_mask_the_dense_embedding_is_the_same_everywhere(plain):
    encoded = plain(prompts_of([[1, 1]], [1]), GRID)
    assert encoded.dense_embeddings.shape == (1, 32, 1, 1)
    assert encoded.stride8 is None
    assert encoded.stride4 is None


def test_has_mask_chooses_between_the_mask_and_no_mask(plain):
    mask_input = torch.randn(2, 1, 16, 16)
    points = PromptTensors(
        point_coords=torch.ones(2, 1, 2),
        point_labels=torch.ones(2, 1, dtype=torch.int64),
        mask_input=mask_input,
    )
    both = plain(points, GRID).dense_embeddings
    one = plain(dataclasses.replace(points, has_mask=torch.tensor([False, True])), GRID)
    no_mask = plain.no_mask_embed.weight.reshape(-1, 1, 1).expand(-1, GRID, GRID)
    assert torch.equal(one.dense_embeddings[0], no_mask)
    torch.testing.assert_close(one.dense_embeddings[1], both[1])


def test_clicks_are_drawn_in_the_map_of_their_label(drawing):
    foreground, background, box, logits = drawn(
        drawing, prompts_of([[10.5, 50.5], [40.5, 6.5]], [1, 0])
    )
    assert divmod(int(foreground.argmax()), 16) == (12, 2)  # row, column of 4-pixel cells
    assert divmod(int(background.argmax()), 16) == (1, 10)
    assert not box.any()
    assert not logits.any()
    assert 0 < foreground.min() < foreground.max() <= 1


def test_a_box_is_drawn_positive_inside_and_negative_outside(drawing):
    corners = [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]
    _, _, box, _ = drawn(drawing, prompts_of([[8, 16], [40, 64]], corners))
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[4:16, 2:10] = True
    assert torch.equal(box > 0, inside)
    assert box.min() == -1
    assert box.max() == 1


def test_earlier_logits_are_squashed_into_the_last_map(drawing):
    mask_input = torch.full((1, 1, 16, 16), 4.0)
    maps = drawn(drawing, prompts_of([[1, 1]], [1], mask_input=mask_input))
    torch.testing.assert_close(maps[3], torch.full((16, 16), math.tanh(1)))
    unused = torch.tensor([False])
    maps = drawn(drawing, prompts_of([[1, 1]], [1], mask_input=mask_input, has_mask=unused))
    assert not maps[3].any()


def test_fillers_and_padding_draw_nothing(drawing):
    one = drawn(drawing, prompts_of([[9, 9]], [1]))
    labels = [1, PointLabel.ABSENT, PointLabel.PADDING]
    three = drawn(drawing, prompts_of([[9, 9], [30, 30], [60, 2]], labels))
    assert torch.equal(one, three)


def test_drawn_prompts_reach_the_dense_and_the_fine_embedding(drawing):
    encoded = drawing(prompts_of([[9, 9]], [1]), GRID)
    D = tiny().embed_dim
    assert encoded.dense_embeddings.shape == (1, D, 4, 4)
    assert encoded.stride8.shape == (1, D // 4, 8, 8)
    assert encoded.stride4.shape == (1, D // 8, 16, 16)
