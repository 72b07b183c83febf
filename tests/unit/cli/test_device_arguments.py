"""Where a command runs, and who is told."""

import argparse
import sys

import pytest
import torch

from anymask.cli.device_arguments import DTYPES, add_device_arguments, load_chosen_predictor
from anymask.cli.main import build_parser
from anymask.inference import devices


def arguments(*words: str, model: str, dtype: str = "auto") -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=model)
    add_device_arguments(parser, dtype=dtype)
    return parser.parse_args(words)


def test_dtypes_are_those_of_the_predictor():
    assert DTYPES == devices.DTYPES


def test_dtype_is_that_of_the_command_unless_it_is_given(model):
    asked = arguments("--dtype", "bfloat16", model=model, dtype="float32")
    assert load_chosen_predictor(asked).placement.dtype == torch.bfloat16
    default = arguments(model=model, dtype="float32")
    assert load_chosen_predictor(default).placement.dtype == torch.float32


@pytest.mark.parametrize("is_terminal", [True, False])
def test_only_a_person_is_told(model, capsys, monkeypatch, is_terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    predictor = load_chosen_predictor(arguments("--device", "cpu", model=model))
    told = capsys.readouterr().err
    line = f"{predictor.model_id} on cpu in {predictor.placement.dtype_name} (cpu was asked for; "
    assert told.startswith(line) if is_terminal else told == ""


@pytest.mark.parametrize(
    ("line", "dtype"),
    [
        ("segment a.jpg", "auto"),
        ("everything a.jpg -o out", "auto"),
        ("evaluate points data", "float32"),
    ],
)
def test_commands_with_a_device_have_a_dtype(line, dtype):
    args = build_parser([line.split()[0]]).parse_args(line.split())
    assert (args.device, args.dtype) == ("auto", dtype)
