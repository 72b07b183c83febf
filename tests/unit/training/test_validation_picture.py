from pathlib import Path

import numpy as np
from PIL import Image

from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny as tiny_model
from anymask.training.batches import make_validation_batch
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.validation_picture import draw_validation


def test_picture_has_a_row_for_each_image_and_shows_the_target(
    shapes_folder: Path, tmp_path: Path
) -> None:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_validation_batch(examples.examples[:2], ImageCache(), tiny(), 64)
    assert batch is not None
    path = tmp_path / "validation" / "step.png"
    draw_validation(build_sam(tiny_model(), seed=0).eval(), batch, path)
    picture = np.array(Image.open(path))
    assert picture.shape == (2 * 256 + 4, 3 * 256 + 2 * 4, 3)
    # the largest target is a rectangle; its middle is tinted in the first tile, the corner dimmed
    mask = (batch.target_masks[0] > 0.5).numpy()
    row, column = (16 * int(np.median(index)) + 8 for index in np.nonzero(mask))
    tile, image = picture[:256, :256].astype(int), batch.images[0].permute(1, 2, 0).numpy()
    inside, outside = tile[row, column], tile[250, 4]
    assert inside[2] > image[row // 4, column // 4, 2] * 0.62 + 20  # blue of the palette
    np.testing.assert_allclose(outside, image[62, 1] * 0.62, atol=2)
