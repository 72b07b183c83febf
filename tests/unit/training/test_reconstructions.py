import numpy as np
import torch

from anymask.model.config import VitConfig
from anymask.model.mae import Mae, MaeConfig, patchify
from anymask.training.photo_batches import PhotoBatch
from anymask.training.reconstructions import Reconstruction, draw_reconstructions, reconstruct


def test_visible_patches_are_seen_and_hidden_ones_grey_or_painted() -> None:
    torch.manual_seed(0)
    vit = VitConfig(width=16, depth=1, num_heads=2, patch_size=8)
    config = MaeConfig(
        name="tiny",
        image_size=32,
        image_encoder=vit,
        decoder_width=8,
        decoder_depth=1,
        decoder_num_heads=2,
    )
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    visible = torch.tensor([[0, 5, 10, 15], [1, 2, 3, 4]])
    batch = PhotoBatch(images=images, visible=visible, sources=())
    pictures = reconstruct(Mae(config).eval(), batch)
    assert torch.equal(pictures.originals, images.float())
    truth, masked, painted = (
        patchify(x, 8) for x in (pictures.originals, pictures.masked, pictures.painted)
    )
    for row in range(2):
        seen = visible[row]
        hidden = [i for i in range(16) if i not in seen.tolist()]
        assert torch.equal(masked[row, seen], truth[row, seen])
        assert torch.allclose(painted[row, seen], truth[row, seen], atol=0.01)
        assert (masked[row, hidden] == 128).all()
        assert not torch.allclose(painted[row, hidden], truth[row, hidden], atol=10)


def test_the_picture_has_three_columns_a_photo_with_white_between() -> None:
    def plain(value: float) -> torch.Tensor:
        return torch.full((3, 3, 8, 8), value)

    picture = draw_reconstructions(
        Reconstruction(originals=plain(10), masked=plain(20), painted=plain(30.4)), columns=2
    )
    assert picture.shape == (2 * 12, 6 * 12, 3)
    assert picture.dtype == np.uint8
    assert [int(picture[4, 12 * i + 4, 0]) for i in range(6)] == [10, 20, 30, 10, 20, 30]
    assert (picture[8:12] == 255).all()
    assert (picture[:, 8:12] == 255).all()
    assert (picture[12:, 36:] == 255).all()  # there is no fourth photo
