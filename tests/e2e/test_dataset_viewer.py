"""The viewer of a data set in a real browser, with the masks of a real and of drawn pictures.

Needs what `test_static_studio` needs.
"""

from pathlib import Path
from typing import Any

import pytest

from anymask.cli.main import main
from anymask.dataset.viewer_site import PAGES
from browsing import run_script, skip_without_browser
from sa1b_archives import write_shards

pytestmark = pytest.mark.slow
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a visitor saw."""
    skip_without_browser()
    if not (PAGES / "viewer.html").exists():
        pytest.skip("the viewer is not built: make web")
    folder: Path = tmp_path_factory.mktemp("viewer")
    write_shards(folder / "set", [80, 50], size=(240, 320))
    command = ["dataset", "view", str(folder / "set"), "-o", str(folder / "site"), "--json"]
    assert main([*command, "--processes", "1"]) == 0
    return run_script("dataset_viewer.mjs", folder / "site", folder)


def test_images_and_masks_are_shown(visit):
    assert visit["count"] == "130 images, 260 masks"
    assert visit["tiles"] >= 120
    assert visit["masks"] == 2
    assert "320 x 240" in visit["facts"]
    assert visit["withTwo"] == visit["count"]


def test_a_selected_mask_has_its_facts(visit):
    assert "0.900" in visit["selected"]
    assert "stability" in visit["selected"]


def test_one_comes_back_to_where_one_was(visit):
    assert visit["focused"] == "#image=1"


def test_all_statistics_are_drawn(visit):
    assert visit["drawn"] == visit["figures"] >= 7


def test_keys_and_screen_readers_find_their_way(visit):
    for screen, found in visit["axe"].items():
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not grave, (screen, grave)
