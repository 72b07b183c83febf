"""Masked pre-training as an objective of the training loop: hide most of a photo, paint it back."""

from collections.abc import Generator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from anymask.core.image_io import write_png
from anymask.model.mae import Mae
from anymask.model.mae_checkpoints import save_mae
from anymask.training.photo_batches import (
    PhotoBatch,
    PhotoSet,
    make_held_out_batches,
    make_photo_batch,
)
from anymask.training.prefetch import prefetched
from anymask.training.pretrain_config import PretrainConfig
from anymask.training.reconstructions import Reconstruction, draw_reconstructions, reconstruct
from anymask.training.run_folder import RunFolder
from anymask.training.share import Share

_HELD_OUT_A_BATCH = 32


class Pretraining:
    """The objective; see `anymask.training.objective.Objective` for its methods."""

    may_change = ("num_steps", "validate_every", "checkpoint_every", "num_loader_threads")

    def __init__(self, config: PretrainConfig, photos: PhotoSet) -> None:
        self.config = config
        self.photos = photos

    def build_model(self) -> Mae:
        """A fresh auto-encoder, the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return Mae(self.config.mae)

    def batches(self, first_step: int, share: Share) -> Generator[PhotoBatch]:
        """This share's rows, made ahead of time by background threads."""
        rows = share.rows(self.config.batch_size)
        yield from prefetched(
            lambda step: make_photo_batch(self.photos, self.config, step, rows),
            range(first_step, self.config.num_steps),
            self.config.num_loader_threads,
        )

    def losses(
        self, model: nn.Module, batch: PhotoBatch, step: int, share: Share
    ) -> dict[str, Tensor]:
        """The mean squared error of the hidden patches, and "image_losses" (B,) for `describe`."""
        assert isinstance(model, Mae)
        rows = _losses_of_rows(model, batch)
        return {"loss": rows.mean(), "image_losses": rows.detach()}

    def describe(self, batch: PhotoBatch, losses: Mapping[str, Tensor]) -> str:
        """The photographs whose loss is not finite; all, if their mean alone is not."""
        is_bad = ~losses["image_losses"].isfinite().cpu()
        bad = [path for path, flag in zip(batch.sources, is_bad.tolist(), strict=True) if flag]
        return ", ".join(str(path) for path in bad or batch.sources)

    def sizes(self, batch: PhotoBatch) -> dict[str, int]:
        """The number of photographs."""
        return {"num_images": batch.images.shape[0]}

    @torch.no_grad()
    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> dict[str, float]:
        """The loss on held-out photographs, always hidden alike; paints some of them.

        The pictures are `reconstructions/step-<step>.png`: original, masked, painted.
        """
        assert isinstance(model, Mae)
        rows: list[Tensor] = []
        pictures: list[Reconstruction] = []
        for batch in make_held_out_batches(self.photos, self.config.mae, _HELD_OUT_A_BATCH):
            wanted = self.config.num_pictures - sum(len(p.originals) for p in pictures)
            if wanted > 0:
                pictures.append(reconstruct(model, _first(batch, wanted)))
            rows.append(_losses_of_rows(model, batch))
        if not rows:
            return {}
        if pictures:
            self._draw(pictures, folder, step)
        return {"loss": float(torch.cat(rows).mean())}

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """Writes the whole auto-encoder, of which a SAM's training takes the encoder."""
        assert isinstance(model, Mae)
        save_mae(model, path)

    def _draw(self, pictures: list[Reconstruction], folder: RunFolder, step: int) -> None:
        whole = Reconstruction(
            originals=torch.cat([p.originals for p in pictures]),
            masked=torch.cat([p.masked for p in pictures]),
            painted=torch.cat([p.painted for p in pictures]),
        )
        place = folder.path / "reconstructions"
        place.mkdir(exist_ok=True)
        write_png(place / f"step-{step:07d}.png", draw_reconstructions(whole))


def _losses_of_rows(mae: Mae, batch: PhotoBatch) -> Tensor:
    device = mae.pixel_mean.device
    visible = batch.visible.to(device, non_blocking=True)
    images = mae.preprocess(batch.images.to(device, non_blocking=True).float())
    return mae.loss(mae(images, visible), images, visible)


def _first(batch: PhotoBatch, count: int) -> PhotoBatch:
    return PhotoBatch(
        images=batch.images[:count], visible=batch.visible[:count], sources=batch.sources[:count]
    )
