"""A quick look at held-out images during training, on the grid of the logits.

It steers a run; the figures that are published come from `anymask.evaluation` at full resolution.
"""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from anymask.core.prompts import PointLabel
from anymask.model.features import DecodedMasks, ImageFeatures, PromptTensors
from anymask.model.sam import Sam
from anymask.training.batches import LOGIT_STRIDE, TrainBatch
from anymask.training.encoding import encode_batch
from anymask.training.losses import binary_iou
from anymask.training.text_prompts import TextSource


def centre_points(target_masks: Tensor) -> Tensor:
    """(P, 2) xy of the model input: the cell of each target farthest from its boundary."""
    points = []
    for mask in target_masks.numpy():
        inside = np.pad(mask >= min(0.5, mask.max()), 1)
        row, column = np.unravel_index(distance_transform_edt(inside).argmax(), inside.shape)
        points.append([column - 0.5, row - 0.5])  # minus the pad, plus half a cell
    return torch.tensor(points, dtype=torch.float32) * LOGIT_STRIDE


@torch.no_grad()
def validate(
    model: Sam, batches: list[TrainBatch], text_source: TextSource | None = None
) -> dict[str, float]:
    """Mean IoU by prompt: a box, a centre click (best predicted, and oracle of three), 3 clicks.

    "box_correlation" and "click_correlation": of predicted with true IoU, all three masks of all
    targets. With a text source also text alone, of the targets that have an embedding.
    """
    sums: dict[str, list[Tensor]] = {}
    pairs: dict[str, list[Tensor]] = {}
    for batch in batches:
        features = encode_batch(model, batch.images)
        targets = batch.target_masks.flatten(1).unsqueeze(1)
        box_labels = torch.tensor([PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT])
        box = _ask(model, features, batch, batch.target_boxes.reshape(-1, 2, 2), box_labels, None)

        point = centre_points(batch.target_masks).unsqueeze(1)
        coords = torch.cat([point, torch.zeros_like(point)], dim=1)
        click_labels = torch.tensor([PointLabel.FOREGROUND, PointLabel.PADDING])
        click = _ask(model, features, batch, coords, click_labels, None)
        ious = {
            name: binary_iou(d.low_res_logits.float().flatten(2), targets)
            for name, d in (("box", box), ("click", click))
        }
        rows = {
            "box": _chosen(ious["box"], box),
            "box_oracle": ious["box"].amax(1),
            "click": _chosen(ious["click"], click),
            "click_oracle": ious["click"].amax(1),
            "clicks_3": _refined(model, features, batch, coords, click_labels, click, targets),
        }
        for name, decoded in (("box", box), ("click", click)):
            both = torch.stack([decoded.iou_predictions.float().flatten(), ious[name].flatten()])
            pairs.setdefault(f"{name}_correlation", []).append(both)
        if text_source is not None:
            rows["text"] = _text_ious(model, features, batch, targets, text_source)
        for name, values in rows.items():
            if len(values):
                sums.setdefault(name, []).append(values)
    means = {name: float(torch.cat(values).mean()) for name, values in sums.items()}
    joined = {name: torch.cat(values, dim=1) for name, values in pairs.items()}
    # Of constants there is none, and a log holds numbers only.
    return means | {name: float(torch.corrcoef(x)[0, 1].nan_to_num()) for name, x in joined.items()}


def _text_ious(
    model: Sam,
    features: ImageFeatures,
    batch: TrainBatch,
    targets: Tensor,
    text_source: TextSource,
) -> Tensor:
    """(K,) IoU of the K targets with an embedding, asked for by that alone."""
    texts = text_source(batch, features.image_embeddings.device)
    known = texts.is_known.cpu()
    K = int(known.sum())
    if K == 0:
        return targets.new_zeros(0)
    device = features.image_embeddings.device
    prompts = PromptTensors(
        point_coords=torch.zeros(K, 1, 2, device=device),
        point_labels=torch.full((K, 1), int(PointLabel.ABSENT), device=device),
        text_embeddings=texts.embeddings[known.to(texts.embeddings.device)].to(device),
    )
    decoded = model.decode(
        features, prompts, batch.image_index[known].to(device), multimask_output=True
    )
    ious = binary_iou(decoded.low_res_logits.float().flatten(2), targets[known].to(device))
    return _chosen(ious, decoded).cpu()


def _ask(
    model: Sam,
    features: ImageFeatures,
    batch: TrainBatch,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
) -> DecodedMasks:
    """The answer on the CPU, where targets and clicks are, whatever the model's device."""
    device = features.image_embeddings.device
    prompts = PromptTensors(
        point_coords=coords.to(device),
        point_labels=labels.expand(coords.shape[0], -1).to(device),
        mask_input=None if mask_input is None else mask_input.to(device),
    )
    decoded = model.decode(
        features, prompts, batch.image_index.to(device), multimask_output=mask_input is None
    )
    return DecodedMasks(
        low_res_logits=decoded.low_res_logits.cpu(), iou_predictions=decoded.iou_predictions.cpu()
    )


def _chosen(ious: Tensor, decoded: DecodedMasks) -> Tensor:
    return ious.gather(1, decoded.iou_predictions.argmax(1, keepdim=True))[:, 0]


def _refined(
    model: Sam,
    features: ImageFeatures,
    batch: TrainBatch,
    coords: Tensor,
    labels: Tensor,
    decoded: DecodedMasks,
    targets: Tensor,
) -> Tensor:
    """(P,) IoU after two more clicks in the middle of what is wrong."""
    labels = labels.expand(coords.shape[0], -1)
    logits = decoded.best().float()
    for _ in range(2):
        error = (logits[:, 0] > 0) != (batch.target_masks > 0.5)
        points = centre_points(error.float())
        cells = (points / LOGIT_STRIDE).long()
        truth = batch.target_masks[torch.arange(len(cells)), cells[:, 1], cells[:, 0]] > 0.5
        coords = torch.cat([coords, points.unsqueeze(1)], dim=1)
        labels = torch.cat([labels, truth.long().unsqueeze(1)], dim=1)
        logits = _ask(model, features, batch, coords, labels, logits).low_res_logits.float()
    return binary_iou(logits.flatten(2), targets)[:, 0]
