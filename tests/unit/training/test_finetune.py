import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import anymask.training.sam_objective as sam_objective
from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.model.adapters import apply_adapter, load_adapter
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.lora import LoraConfig, lora_state, merge_lora
from anymask.model.presets import tiny
from anymask.training.config import Stage
from anymask.training.finetune import (
    ADAPTER_FILE,
    FinetuneConfig,
    FinetuneObjective,
    Mode,
    describe_trained,
    finetune_config,
    prepare_model,
)
from anymask.training.loop import train
from anymask.training.run_folder import RunFolder
from anymask.training.settings import from_json, with_settings

MODES: tuple[Mode, ...] = ("lora", "decoder", "full")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_sam(build_sam(tiny(), seed=2), path)
    return str(path)


def _config(base: str, mode: Mode = "lora", num_steps: int = 6, **settings: str) -> FinetuneConfig:
    model, base_id = load_sam(base)
    config = finetune_config(
        model.config,
        base_id,
        mode=mode,
        lora=LoraConfig(rank=2),
        num_steps=num_steps,
        validation_fraction=0.4,
    )
    texts = {"dtype": "float32", "validate_every": "1", "checkpoint_every": "2"} | settings
    return with_settings(config, [f"{name}={text}" for name, text in texts.items()])


def _run(config: FinetuneConfig, base: str, data: Path, output: Path) -> RunFolder:
    objective = FinetuneObjective(config, [data], base)
    return train(objective, output, is_done=objective.is_done)


def _weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_sam(folder.weights_path)[0].state_dict()


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_moves_its_own_part_and_no_other(
    mode: Mode, base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    folder = _run(_config(base, mode, num_steps=3), base, shapes_folder, tmp_path / "run")
    before, after = load_sam(base)[0].state_dict(), _weights(folder)
    assert before.keys() == after.keys()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    parts = {
        "lora": ("image_encoder.", "mask_decoder.transformer."),
        "decoder": ("prompt_encoder.", "mask_decoder."),
        "full": ("image_encoder.", "prompt_encoder.", "mask_decoder."),
    }[mode]
    assert all(any(key.startswith(part) for key in moved) for part in parts)
    assert all(key.startswith(parts) for key in moved)
    if mode == "lora":
        assert not any(key.endswith("bias") or "norm" in key for key in moved)


def test_merged_weights_are_the_base_and_the_adapter(
    base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    folder = _run(_config(base, num_steps=3), base, shapes_folder, tmp_path / "run")
    model, base_id = load_sam(base)
    apply_adapter(model, base_id, load_adapter(folder.path / ADAPTER_FILE))
    assert any(value.abs().max() > 0 for key, value in lora_state(model).items() if "up" in key)
    merge_lora(model)
    stored = _weights(folder)
    assert all(torch.equal(value, stored[key]) for key, value in model.state_dict().items())


def test_best_validation_is_kept_and_ends_the_run(
    base: str, shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.9])
    seen: list[dict[str, torch.Tensor]] = []

    def fake(model: torch.nn.Module, *args: object) -> dict[str, float]:
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        score = next(scores)
        return {"box": score, "click": score, "clicks_3": score}

    monkeypatch.setattr(sam_objective, "validate", fake)
    config = _config(base, "full", patience="2")
    folder = _run(config, base, shapes_folder, tmp_path / "run")
    assert len(folder.read_log()) == len(seen) == 4  # equal to the best is no better
    stored = _weights(folder)
    assert all(torch.equal(stored[key], seen[1][key]) for key in stored)
    # the command again: nothing is trained on, and the weights stay
    _run(config, base, shapes_folder, tmp_path / "run")
    assert len(folder.read_log()) == 4


def test_stopped_run_goes_on_to_the_same_weights(
    base: str, shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(base)
    whole = _run(config, base, shapes_folder, tmp_path / "whole")

    class Dying(FinetuneObjective):
        def losses(self, model, batch, step, share):  # type: ignore[no-untyped-def]
            if step == 3:  # validated at 3, saved at 2
                raise KeyboardInterrupt
            return super().losses(model, batch, step, share)

    with pytest.raises(KeyboardInterrupt):
        train(Dying(config, [shapes_folder], base), tmp_path / "killed")
    resumed = _run(config, base, shapes_folder, tmp_path / "killed")
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert (resumed.path / ADAPTER_FILE).read_bytes() == (whole.path / ADAPTER_FILE).read_bytes()
    curves = [[row["loss"] for row in run.read_log()] for run in (resumed, whole)]
    assert curves[0] == curves[1]


def test_other_adapters_do_not_go_on_in_a_run(
    base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    _run(_config(base, num_steps=2), base, shapes_folder, tmp_path / "run")
    other = with_settings(_config(base, num_steps=4), ["lora.rank=4"])
    with pytest.raises(InvalidInputError, match=r"other settings \(lora.rank\)"):
        _run(other, base, shapes_folder, tmp_path / "run")


def test_weights_that_are_not_the_base_of_the_run_are_refused(
    base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    save_sam(build_sam(tiny(), seed=3), other)
    with pytest.raises(InvalidInputError, match=r"init must be tiny-\w+, .*got tiny-\w+\."):
        _run(_config(base), str(other), shapes_folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("scores", "is_done"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.4, 0.4], False),
        ([0.5, 0.4, 0.4, 0.5], True),
        ([0.5, 0.4, 0.4, 0.51], False),
    ],
)
def test_run_is_done_after_patience_validations_without_a_better_one(
    scores: list[float], is_done: bool, base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    objective = FinetuneObjective(_config(base, patience="3"), [shapes_folder], base)
    rows = [{"step": i, "val_score": score} for i, score in enumerate(scores)]
    folder = RunFolder(path=tmp_path)
    folder.log_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert objective.is_done(folder) is is_done


def test_folder_of_its_own_is_validated_on_whole(
    base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    apart = tmp_path / "apart"
    (apart / "images").mkdir(parents=True)
    for path in (shapes_folder / "images").iterdir():
        with Image.open(path) as image:  # turned, so that they are other pictures
            image.transpose(Image.Transpose.ROTATE_180).save(apart / "images" / path.name)
    (apart / "masks.json.gz").write_bytes((shapes_folder / "masks.json.gz").read_bytes())
    config = _config(base, validation_fraction="0")
    objective = FinetuneObjective(config, [shapes_folder], base, [apart])
    assert len(objective.train_examples) == len(objective.held_out) == 6
    assert {example.path.parent.parent for example in objective.held_out} == {apart}


def test_images_that_are_trained_on_are_refused_under_any_name(
    base: str, shapes_folder: Path, tmp_path: Path
) -> None:
    config = _config(base, validation_fraction="0")
    with pytest.raises(InvalidInputError, match=r"must not be trained on, .*\(6 in all\)"):
        FinetuneObjective(config, [shapes_folder], base, [shapes_folder])
    copy = tmp_path / "copy"
    (copy / "images").mkdir(parents=True)
    content = (shapes_folder / "masks.json.gz").read_bytes()
    (copy / "masks.json.gz").write_bytes(content)
    for path in (shapes_folder / "images").iterdir():
        (copy / "images" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InvalidInputError, match="must not be trained on"):
        FinetuneObjective(config, [shapes_folder], base, [copy])


def test_too_few_held_out_images_are_refused(base: str, shapes_folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="2 labelled images or more, got 0"):
        FinetuneObjective(_config(base, validation_fraction="0"), [shapes_folder], base)


def test_held_out_masks_of_no_usable_size_are_named(
    base: str, shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sam_objective, "make_validation_batch", lambda *_: None)
    with pytest.raises(InvalidInputError, match=r"a mask over 0.03% and under 90%"):
        _run(_config(base), base, shapes_folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"patience": "0"}, "patience must be 1"), ({"lora.rank": "0"}, "rank must be 1")],
)
def test_settings_out_of_range(base: str, settings: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        _config(base, **settings)


def test_steps_and_mode_out_of_range(base: str) -> None:
    with pytest.raises(InvalidInputError, match="steps must be 1 or more, got 0"):
        _config(base, num_steps=0)
    with pytest.raises(UnknownNameError, match=r"unknown mode 'half'\. Known: decoder, full, lora"):
        _config(base, "half")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_configuration_survives_its_json_file(mode: Mode, base: str) -> None:
    config = _config(base, mode)
    assert from_json(FinetuneConfig, json.loads(json.dumps(config.to_json()))) == config


def test_large_images_come_in_smaller_batches(base: str) -> None:
    from dataclasses import replace

    small, large = (finetune_config(replace(tiny(), image_size=size), "x-1") for size in (64, 1024))
    assert small.stages == (Stage(end_step=300, image_size=64, batch_size=4),)
    assert large.stages == (Stage(end_step=300, image_size=1024, batch_size=1),)


def test_line_on_what_is_trained_counts_the_adapters(base: str) -> None:
    model = load_sam(base)[0]
    total = sum(p.numel() for p in model.parameters())
    prepare_model(model, _config(base, "full"))
    assert describe_trained(model) == f"training {total:,} of {total:,} parameters (100.0%)"
    prepare_model(model, _config(base))
    added = sum(value.numel() for value in lora_state(model).values())
    layers = len(lora_state(model)) // 2
    assert describe_trained(model) == (
        f"training {added:,} of {total + added:,} parameters ({added / (total + added):.1%}), "
        f"in adapters of {layers} layers"
    )
