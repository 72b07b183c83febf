import numpy as np
import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.inference import devices
from anymask.inference.devices import select_device, select_placement
from anymask.inference.loading import load_model, load_predictor
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny, tiny_vit


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


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"bf16": True, "architecture": "aarch64"}, torch.bfloat16),
        ({"avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_dtype_on_a_cpu_follows_its_instructions(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    placement = select_placement("cpu", "auto")
    assert placement.dtype == placement.decoder_dtype == expected
    assert placement.describe().startswith(f"cpu in {placement.dtype_name} (cpu was asked for; ")


def test_auto_dtype_is_float32_where_torch_tells_nothing_of_the_cpu(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert select_placement("cpu", "auto").dtype == torch.float32


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_auto_dtype_on_a_gpu_follows_its_generation(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    placement = select_placement("auto", "auto")
    assert (placement.device.type, placement.dtype) == ("cuda", expected)
    assert placement.decoder_dtype == torch.float32
    assert "cuda was found" in placement.reason


def test_auto_dtype_on_apple_gpus_is_float32():
    assert devices._fastest_dtype(torch.device("mps"))[0] == torch.float32


def test_a_dtype_that_is_asked_for_is_taken():
    placement = select_placement("cpu", "float16")
    assert (placement.dtype, placement.dtype_name) == (torch.float16, "float16")
    assert "float16 was asked for" in placement.reason


@pytest.mark.parametrize("make", [tiny, tiny_vit])
def test_loaded_weights_of_the_encoder_are_kept_in_the_chosen_dtype(tmp_path, make):
    path = tmp_path / "model.safetensors"
    save_sam(build_sam(make(), seed=0), path)
    predictor = load_predictor(path, "cpu", "bfloat16")
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    dtypes = {
        m.weight.dtype for m in predictor.model.image_encoder.modules() if hasattr(m, "weight")
    }
    assert dtypes == {torch.bfloat16, torch.float32}
    assert {p.dtype for p in predictor.model.mask_decoder.parameters()} == {torch.float32}
    assert predictor.embed(image).features.image_embeddings.dtype == torch.float32
