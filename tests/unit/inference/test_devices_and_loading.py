import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.inference.devices import select_device
from anymask.inference.loading import load_model, load_predictor
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny


def test_auto_is_a_device_that_is_there():
    assert select_device("auto").type in ("cuda", "mps", "cpu")
    assert select_device(torch.device("cpu")).type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "tpu:0", "cuda:99", "meta"])
def test_unknown_or_absent_device_is_told(name):
    with pytest.raises(InvalidInputError, match="device must be"):
        select_device(name)


def test_auto_takes_cuda_where_it_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert select_device("auto").type == "cuda"


def test_saved_model_becomes_a_predictor_that_carries_its_id(tmp_path):
    path = tmp_path / "model.safetensors"
    save_sam(build_sam(tiny(), seed=0), path)
    predictor = load_predictor(path, "cpu")
    assert predictor.model_id.startswith("tiny-")
    assert predictor.device.type == "cpu"
    assert load_model is load_predictor


def test_missing_model_is_told(tmp_path):
    with pytest.raises(CheckpointError):
        load_predictor(tmp_path / "nothing.safetensors")
