"""One training step of the default model, ours beside the same step written the plain way.

Plain: float32, contiguous memory, one prompt after another through the decoder, PyTorch's own
choice of attention. Ours: what `anymask train small` does. Same weights, batches and prompts, step
by step in turn, so that a noisy machine is noisy for both. Prints images/s, masks/s, the ratio, and
how far the losses are apart. `--smoke` takes one small step of each (for the tests).
"""

import argparse
import dataclasses
import json
import os
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from anymask.model.checkpoints import build_sam
from anymask.model.config import SamConfig
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.presets import preset as model_preset
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch
from anymask.training.config import Stage, TrainConfig
from anymask.training.optim import build_optimizer
from anymask.training.presets import preset
from anymask.training.sam_objective import SamObjective
from anymask.training.share import Share
from anymask.training.step import step_draws, training_losses
from anymask.training.update import attention, numerics


class PlainSam(Sam):
    """The same network, used without any thought for speed."""

    def encode_images(self, images: Tensor) -> ImageFeatures:
        """The features, from contiguous memory."""
        return super().encode_images(images.contiguous())

    def decode(
        self,
        features: ImageFeatures,
        prompts: PromptTensors,
        image_index: Tensor,
        *,
        multimask_output: bool | None,
    ) -> DecodedMasks:
        """One prompt after another."""
        rows = []
        for p in range(len(image_index)):
            fields = {
                field.name: None if value is None else value[p : p + 1]
                for field in dataclasses.fields(prompts)
                for value in [getattr(prompts, field.name)]
            }
            rows.append(
                super().decode(
                    features,
                    PromptTensors(**fields),
                    image_index[p : p + 1],
                    multimask_output=multimask_output,
                )
            )
        return DecodedMasks(
            low_res_logits=torch.cat([row.low_res_logits for row in rows]),
            iou_predictions=torch.cat([row.iou_predictions for row in rows]),
        )


class Contender:
    """A model with its optimiser and its way to take a step."""

    def __init__(self, config: TrainConfig, model_config: SamConfig, *, plain: bool) -> None:
        self.config = dataclasses.replace(config, dtype="float32") if plain else config
        self.model = build_sam(model_config, seed=0)
        if plain:
            self.model.__class__ = PlainSam  # the same weights, another way to use them
        else:
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.train()
        self.plain = plain
        self.optimizer = build_optimizer(self.model, config.optim)
        self.seconds: list[float] = []

    def step(self, batch: TrainBatch, number: int) -> float:
        """Takes a step, keeps its time, returns its loss."""
        started = time.perf_counter()
        draws = step_draws(self.config.seed, number)
        cpu = torch.device("cpu")
        with numerics(self.config, cpu), nullcontext() if self.plain else attention(cpu):
            losses = training_losses(self.model, batch, self.config, draws)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - started)
        return float(losses.total.detach())


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="a labelled set or a folder of them")
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    data = args.data or Path(os.environ.get("ANYMASK_DATA", "../shared/data")) / "train"
    config = preset("tiny" if args.smoke else "small")
    stage = Stage(end_step=10, image_size=64, batch_size=2) if args.smoke else config.stages[0]
    config = dataclasses.replace(config, stages=(dataclasses.replace(stage, end_step=1000),))
    num_steps = 1 if args.smoke else args.steps

    batches = SamObjective(config, [data]).batches(0, Share())
    loaded = [next(batches) for _ in range(num_steps + 1)]
    batches.close()
    model_config = model_preset(config.model)
    contenders = [Contender(config, model_config, plain=plain) for plain in (True, False)]
    differences = []
    for number, batch in enumerate(loaded):
        # Both start a step from the same weights, so that their losses can be compared.
        contenders[1].model.load_state_dict(contenders[0].model.state_dict())
        plain_loss, our_loss = (contender.step(batch, number) for contender in contenders)
        differences.append(abs(plain_loss - our_loss) / plain_loss)
    medians = [statistics.median(contender.seconds[1:]) for contender in contenders]
    ratios = [
        a / b for a, b in zip(contenders[0].seconds[1:], contenders[1].seconds[1:], strict=True)
    ]
    batch = loaded[0]
    num_images, num_masks = batch.images.shape[0], len(batch.image_index)
    row = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "image_size": batch.image_size,
        "batch_size": num_images,
        "num_masks": num_masks,
        "plain_images_per_second": num_images / medians[0],
        "images_per_second": num_images / medians[1],
        "plain_masks_per_second": num_masks / medians[0],
        "masks_per_second": num_masks / medians[1],
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "largest_relative_loss_difference": max(differences),
    }
    if args.json:
        print(json.dumps(row))
        return
    print(
        f"torch {row['torch']}, {row['threads']} threads, {num_images} images of {batch.image_size}"
    )
    for name, seconds in zip(("plain, float32", f"ours, {config.dtype}"), medians, strict=True):
        rates = f"{num_images / seconds:6.1f} images/s {num_masks / seconds:7.1f} masks/s"
        print(f"{name:18} {seconds:6.2f} s a step {rates}")
    low, high = row["ratio_range"]
    print(f"ratio {row['ratio']:.2f} ({low:.2f} to {high:.2f})")
    print(f"losses differ by at most {100 * max(differences):.2f} %")


if __name__ == "__main__":
    main()
