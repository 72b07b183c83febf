"""A round's training: from frozen data and the current model to new weights, resumable anywhere."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anymask.engine.plan import CURRENT, RANDOM, RoundTraining
from anymask.training.presets import preset
from anymask.training.run_folder import RunFolder
from anymask.training.settings import with_settings


def check_training(training: RoundTraining) -> None:
    """Make sure, before anybody annotates, that there is such a training.

    Raises:
        InvalidInputError, UnknownNameError: the preset or a setting is unknown or not allowed.
    """
    if training.preset:
        with_settings(preset(training.preset), training.settings)


def retrain(
    training: RoundTraining,
    data: Sequence[Path],
    current_model: str,
    output: Path,
    *,
    device: str,
    seed: int,
) -> RunFolder:
    """Return the run folder with the new weights; a run that was killed goes on.

    Args:
        training: what the plan says.
        data: folders of data versions, and of the automatic stage's archives.
        current_model: name or file; "" for the default one.
        output: the run folder.
        device: torch device.
        seed: of data order and prompts; a round's own.

    Raises:
        InvalidInputError: a setting or the data cannot be used.
        CheckpointError: the model or the stored run is damaged.
        OutputError: no room.
    """
    from anymask.model.checkpoints import load_sam
    from anymask.training.finetune import FinetuneObjective, finetune_config
    from anymask.training.loop import train
    from anymask.training.sam_objective import SamObjective

    init = {CURRENT: current_model or None, RANDOM: None}.get(training.init, training.init)
    folders = list(data)
    if training.preset:
        config = replace(with_settings(preset(training.preset), training.settings), seed=seed)
        first = None if training.init == RANDOM else init or "small"
        run = train(SamObjective(config, folders, first), output, device=device)
        if len(run.read_log()) < config.num_steps:
            raise KeyboardInterrupt  # asked to stop (SIGTERM): it is saved, but no step is done
        return run
    model, model_id = load_sam(init)
    recipe = finetune_config(
        model.config, model_id, mode="full", num_steps=training.num_steps, seed=seed
    )
    objective = FinetuneObjective(with_settings(recipe, training.settings), folders, init)
    return train(objective, output, device=device, is_done=objective.is_done)
