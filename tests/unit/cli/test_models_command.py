"""`anymask models`: what each action prints, for people and as JSON."""

import argparse
import json

import pytest

from anymask.cli.models import add_arguments, run
from anymask.core.errors import CheckpointError
from anymask.model import downloads, locations
from anymask.model.adapters import save_adapter
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.downloads import sha256_of
from anymask.model.lora import LoraConfig, add_lora
from anymask.model.presets import tiny


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.safetensors"
    save_sam(build_sam(tiny(), seed=0), path, metadata={"licence": "Apache-2.0"})
    monkeypatch.setattr(locations, "shipped_path", lambda: path)
    return path


@pytest.fixture
def models(path, capsys):
    def call(*arguments: object) -> str:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert run(parser.parse_args([str(a) for a in arguments])) == 0
        return capsys.readouterr().out

    return call


def test_list_names_what_is_here_and_how_to_get_the_rest(models, path):
    small, vit_b, *_ = models("list").splitlines()
    size = f"{path.stat().st_size / 1e6:.1f}"
    assert small.split() == ["small", size, "MB", str(path)]
    assert vit_b.split() == ["vit_b", "375.0", "MB", *["anymask", "models", "download", "vit_b"]]


def test_list_as_json_has_every_model(models, path):
    rows = json.loads(models("list", "--json"))
    assert [row["name"] for row in rows] == ["small", "vit_b", "vit_l", "vit_h"]
    assert rows[0]["path"] == str(path)
    assert rows[1] == {
        "name": "vit_b",
        "num_bytes": 375042383,
        "path": None,
        "get": "anymask models download vit_b",
    }


def test_show_counts_parameters_and_prints_the_configuration(models, path):
    shown = json.loads(models("show", path, "--json"))
    parts = shown["num_parameters"]
    assert shown["model_id"] == f"tiny-{sha256_of(path)[:12]}"
    assert shown["config"]["image_size"] == 64
    assert shown["metadata"] == {"anymask_format": "1", "licence": "Apache-2.0"}
    assert set(parts) == {"image_encoder", "prompt_encoder", "mask_decoder", "total"}
    assert parts["total"] == sum(p.numel() for p in build_sam(tiny()).parameters())
    text = models("show", path)
    assert "image_size: 64" in text
    assert "licence: Apache-2.0" in text
    assert f"{parts['total']:,}  total" in text


def test_verify_loads_a_file_and_prints_its_hash(models, path):
    assert models("verify", path).splitlines() == [
        f"{path} is whole",
        f"SHA-256 {sha256_of(path)}",
    ]
    assert json.loads(models("verify", "small", "--json"))["official"] is None


def test_verify_refuses_a_damaged_file(models, path):
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="damaged"):
        models("verify", path)


def test_verify_of_a_name_compares_with_the_promised_hash(models, path, monkeypatch):
    entry = downloads.OfficialFile(
        file_name="b.pth", num_bytes=path.stat().st_size, sha256=sha256_of(path)
    )
    monkeypatch.setitem(downloads.OFFICIAL_FILES, "vit_b", entry)
    with pytest.raises(CheckpointError, match="does not exist"):
        models("verify", "vit_b")
    target = downloads.official_path("vit_b")
    target.parent.mkdir()
    target.write_bytes(path.read_bytes())
    assert "is whole, the official vit_b" in models("verify", "vit_b")
    assert "is whole, the official vit_b" in models("verify", target)


def test_download_prints_the_path(models, monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "download", lambda name: tmp_path / f"{name}.pth")
    assert models("download", "vit_b").strip() == str(tmp_path / "vit_b.pth")
    found = json.loads(models("download", "vit_l", "--json"))
    assert found == {"name": "vit_l", "path": str(tmp_path / "vit_l.pth")}


def test_an_action_is_needed(models):
    with pytest.raises(SystemExit):
        models()


@pytest.fixture
def adapter(path, tmp_path):
    model, base_id = load_sam(path)
    config = LoraConfig(rank=1, modules=("mask_decoder.transformer",))
    add_lora(model, config)
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            parameter.data.fill_(0.5)
    save_adapter(model, tmp_path / "adapter.safetensors", config=config, base_id=base_id)
    return tmp_path / "adapter.safetensors"


def test_merge_writes_a_whole_model_that_names_its_base(models, path, adapter, tmp_path):
    output = tmp_path / "merged.safetensors"
    result = json.loads(models("merge", path, adapter, "-o", output, "--json"))
    merged, merged_id = load_sam(output)
    base, base_id = load_sam(path)
    assert result == {"path": str(output), "base_id": base_id, "model_id": merged_id}
    assert json.loads(models("show", output, "--json"))["metadata"]["fine_tuned_from"] == base_id
    before, after = base.state_dict(), merged.state_dict()
    assert before.keys() == after.keys()
    changed = {key for key in before if not before[key].equal(after[key])}
    assert changed
    assert all(key.startswith("mask_decoder.transformer.") for key in changed)


def test_merge_on_another_base_is_refused_and_writes_nothing(models, adapter, tmp_path):
    other, output = tmp_path / "other.safetensors", tmp_path / "merged.safetensors"
    save_sam(build_sam(tiny(), seed=1), other)
    with pytest.raises(CheckpointError, match=r"trained on, tiny-\w+, got tiny-\w+\."):
        models("merge", other, adapter, "-o", output)
    assert not output.exists()


def test_an_adapter_alone_says_which_model_it_is_of(models, path, adapter):
    with pytest.raises(CheckpointError, match=load_sam(path)[1]):
        models("show", adapter)
