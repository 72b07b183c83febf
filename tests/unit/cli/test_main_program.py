import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import anymask
from anymask.cli import main as program
from anymask.core.errors import InvalidInputError, OutputError


@pytest.fixture
def run_raising(monkeypatch):
    """Return a function that runs `anymask segment` with a command that raises."""

    def run(error: BaseException, *flags: str) -> int:
        def fail(args):
            raise error

        command = SimpleNamespace(add_arguments=lambda parser: None, run=fail)
        monkeypatch.setattr(program, "import_module", lambda name: command)
        return program.main([*flags, "segment"])

    return run


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InvalidInputError("box must be xyxy"), 2, "box must be xyxy"),
        (OutputError("disk full"), 1, "disk full"),
        (PermissionError(13, "Permission denied"), 1, "[Errno 13] Permission denied"),
        (MemoryError(), 1, "out of memory. Use a smaller image, batch or model."),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), 1, "out of memory."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (InvalidInputError("two\nlines"), 2, "two lines"),
    ],
)
def test_error_is_one_line_and_an_exit_code(run_raising, capsys, error, code, text):
    assert run_raising(error) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"anymask: error: {text}")
    assert shown.err.count("\n") == 1


def test_debug_shows_where_an_error_comes_from(run_raising):
    with pytest.raises(InvalidInputError):
        run_raising(InvalidInputError("box must be xyxy"), "--debug")


def test_our_own_faults_are_not_hidden(run_raising):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run_raising(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["segmnt"], "invalid choice: 'segmnt'"),
        (["segment"], "the following arguments are required: IMAGE"),
        (["segment", "a.jpg", "--colour"], "unrecognized arguments: --colour"),
        (["everything", "a.jpg", "-o", "x", "--points-per-side", "many"], "invalid int value"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(capsys, arguments, text):
    with pytest.raises(SystemExit) as exit_info:
        program.main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("anymask: error: ")
    assert text in error
    assert error.count("\n") == 1


def test_help_lists_every_command_and_version_is_shown(capsys):
    for arguments in (["--help"], ["--version"]):
        with pytest.raises(SystemExit) as exit_info:
            program.main(arguments)
        assert exit_info.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name}" in shown for name in program.COMMANDS)
    assert f"anymask {anymask.__version__}" in shown


def test_every_command_has_help(capsys):
    for name in program.COMMANDS:
        with pytest.raises(SystemExit) as exit_info:
            program.main([name, "--help"])
        assert exit_info.value.code == 0
        assert f"anymask {name}" in capsys.readouterr().out


def test_completion_knows_commands_and_options(capsys):
    pytest.importorskip("shtab")
    assert program.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "everything" in script
    assert "--points-per-side" in script


def test_completion_without_shtab_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert program.main(["completion", "zsh"]) == 2
    assert "pip install 'anymask[completion]'" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_error():
    # The pipe is closed before anything is written.
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [sys.executable, "-m", "anymask.cli.main", "completion", "bash"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write_end)
    assert result.returncode == 141
    assert result.stderr == b""
