import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask.cli.main import build_parser
from anymask.core.image_io import write_png

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_readme_python_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (360, 480, 3), dtype=np.uint8)
    write_png(tmp_path / "photo.jpg", image)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})


def test_readme_shows_every_command_with_arguments_that_parse() -> None:
    lines = re.findall(r"^anymask (.*?)(?:\s{2,}#.*)?$", README, re.MULTILINE)
    parser = build_parser()
    commands = set()
    for line in lines:
        commands.add(parser.parse_args(line.split()).command)
    assert commands == {
        "segment",
        "everything",
        "models",
        "evaluate",
        "train",
        "pretrain",
        "finetune",
        "export",
        "bench",
        "serve",
        "studio",
        "convert",
        "dataset",
        "engine",
        "completion",
    }


def test_readme_and_architecture_name_every_package() -> None:
    packages = {p.name for p in (ROOT / "src/anymask").iterdir() if (p / "__init__.py").exists()}
    for document in (README, (ROOT / "ARCHITECTURE.md").read_text()):
        assert all(name in document for name in packages)


def test_every_local_link_leads_somewhere() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#]+)\)", prose):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert project["version"] == anymask.__version__ == top[1]


def test_every_public_name_has_a_docstring() -> None:
    for name in anymask.__all__:
        value = getattr(anymask, name)
        if callable(value):
            assert value.__doc__, name


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = {
        re.split(r"[<>=\[]", line)[0]
        for line in project["dependencies"] + extras["eval"] + extras["completion"]
    }
    text = (ROOT / "ARCHITECTURE.md").read_text().lower()
    assert all(name in text for name in names)
