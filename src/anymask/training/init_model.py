"""First weights of a model: random ones, or those of a file, as far as the file goes."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.config import SamConfig
from anymask.model.locations import locate
from anymask.model.mae_checkpoints import holds_mae, read_mae_encoder, sam_from_mae
from anymask.model.sam import Sam

# What says nothing about the weights: names, thresholds, the input's side (positions are resized).
_FREE_FIELDS = {
    "name",
    "image_size",
    "box_is_ambiguous",
    "pred_iou_thresh",
    "stability_score_thresh",
    "stability_score_offset",
    "close_up_fraction",
    "mask_threshold",
    "decoder_dropout",
}
# Parts that a later version of a model may have, or have more of, beside those of an earlier one.
_PARTS = {"text_dim", "text_link_dim", "iou_from_mask", "refine_depth", "high_res_features"}
_MOST_LISTED = 6
# What a masked auto-encoder, which has a ViT alone, does not give.
_NOT_IN_MAE = ("image_encoder.neck", "prompt_encoder", "mask_decoder")


def init_model(config: SamConfig, init: str | None, seed: int) -> tuple[Sam, tuple[str, ...]]:
    """A model of the configuration in float32 on the CPU, and which of its parts are random.

    Args:
        config: the model.
        init: weights to start from, a name or a path; None for random ones. A model that lacks
            parts of this one (text, say) gives what it has; the rest starts at random. A masked
            auto-encoder, ours or a published one, gives the image encoder but for its neck.
        seed: of what is random.

    Returns:
        The model, and the names of the modules that the weights did not have, e.g.
        "prompt_encoder.text_projection"; none without `init`.

    Raises:
        CheckpointError: `init` cannot be read.
        InvalidInputError: it is another model; the text lists the parameters that do not fit.
    """
    model = build_sam(config, seed=seed)
    if init is None:
        return model, ()
    try:
        source, _ = load_sam(init, image_size=config.image_size)
    except CheckpointError:
        path = locate(init)
        if not holds_mae(path):
            raise
        return sam_from_mae(read_mae_encoder(path), config, seed), _NOT_IN_MAE
    _check_settings(source.config, config, init)
    state, own = source.state_dict(), model.state_dict()
    if config.iou_from_mask and not source.config.iou_from_mask:  # another head under that name
        state = {k: v for k, v in state.items() if ".iou_prediction_head." not in k}
    unfit = [key for key, value in state.items() if key not in own or own[key].shape != value.shape]
    if unfit:
        raise InvalidInputError(
            f"init must be weights of the model {config.name!r}, got {source.config.name!r}: "
            f"{_listed(unfit)} {'does' if len(unfit) == 1 else 'do'} not fit. "
            "Choose the preset of those weights."
        )
    model.load_state_dict(own | state)
    return model, _modules_of(key for key in own if key not in state)


def _check_settings(before: SamConfig, after: SamConfig, init: str) -> None:
    """Settings without parameters of their own (an activation, say) must be alike as well."""
    differing = []
    for field in dataclasses.fields(SamConfig):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if field.name == "image_encoder":
            differing += _differing_encoder(a, b)
        elif field.name in _PARTS:
            if a > b:
                differing.append(f"{field.name} {a}, not {b}")
        elif field.name not in _FREE_FIELDS and a != b:
            differing.append(f"{field.name} {a}, not {b}")
    if differing:
        raise InvalidInputError(
            f"init must be weights of the model {after.name!r}, but {init} has "
            f"{'; '.join(differing[:_MOST_LISTED])}. Choose the preset of those weights."
        )


def _differing_encoder(a: Any, b: Any) -> list[str]:
    left, right = dataclasses.asdict(a), dataclasses.asdict(b)
    names = [n for n in left if n != "drop_path" and left[n] != right.get(n)]
    return [f"image_encoder.{n} {left[n]}, not {right.get(n)}" for n in names]


def _modules_of(keys: Iterable[str]) -> tuple[str, ...]:
    """The parameters' modules, two names deep, each once."""
    return tuple(dict.fromkeys(".".join(key.split(".")[:2]) for key in keys))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
