"""The automatic stage with real processes, killed at random, and on a cluster of two nodes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from anymask.cli.main import main
from anymask.engine.automatic.executors.local import LocalExecutor
from anymask.engine.automatic.fully_automatic import run_automatic
from anymask.engine.automatic.run_folder import RunFolder
from automatic_release import draw_photos, released, save_tiny_model, tiny_config

TESTS = Path(__file__).parents[1]
NUM_PHOTOS = 60
NUM_KILLS = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and photos."""
    folder = tmp_path_factory.mktemp("automatic")
    save_tiny_model(folder / "m.safetensors")
    draw_photos(folder / "photos", NUM_PHOTOS)
    return folder


@pytest.fixture(scope="module")
def expected(place: Path) -> dict[str, bytes]:
    """The release that nothing disturbed."""
    config = tiny_config(place / "m.safetensors")
    run_automatic([place / "photos"], place / "expected", config, LocalExecutor(1))
    return released(place / "expected")


def start(place: Path, out: Path) -> "subprocess.Popen[bytes]":
    script = [str(TESTS / "automatic_release.py")]
    arguments = [place / "m.safetensors", place / "photos", out, "2"]
    return subprocess.Popen(
        [sys.executable, *script, *map(str, arguments)], stderr=subprocess.DEVNULL
    )


def workers_of(driver: int) -> Iterator[int]:
    """Its children that are workers; there is one more, which tracks multiprocessing's things."""
    try:
        children = Path(f"/proc/{driver}/task/{driver}/children").read_text().split()
        for child in children:
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                yield int(child)
    except OSError:  # it ended while we looked
        return


def goes_on(driver: "subprocess.Popen[bytes]", out: Path, num_photos: int) -> bool:
    """Wait until so many more photos are done; False if the driver ended before."""
    folder = RunFolder(path=out)
    goal = sum(1 for _ in folder.read_log()) + num_photos
    while driver.poll() is None:
        if sum(1 for _ in folder.read_log()) >= goal:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")
@pytest.mark.parametrize("seed", range(4))
def test_kills_at_random_leave_the_bytes_as_they_are(
    seed: int, place: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    dice = random.Random(seed)
    killed = {"driver": 0, "worker": 0}
    while True:
        driver = start(place, tmp_path)
        while sum(killed.values()) < NUM_KILLS and goes_on(driver, tmp_path, dice.randint(0, 4)):
            time.sleep(dice.uniform(0, 0.05))  # anywhere in a photo, a shard, a start
            workers = list(workers_of(driver.pid))
            victim = dice.choice([driver.pid, *workers])
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            killed["driver" if victim == driver.pid else "worker"] += 1
            if victim == driver.pid:
                break
        if driver.wait() == 0:
            break
    assert sum(killed.values()) == NUM_KILLS, killed
    assert json.loads((tmp_path / "run" / "set_aside.json").read_text()) == []
    assert released(tmp_path) == expected


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one worker each, on this machine."""
    pytest.importorskip("ray")
    # First, as it tells Ray to send no usage figures.
    pytest.importorskip("anymask.engine.automatic.executors.ray_cluster")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(**node)
        nodes.wait_for_nodes()
        yield nodes
    finally:
        nodes.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("loses_a_node", [False, True])
def test_two_nodes_of_a_cluster_make_the_same_shards(
    loses_a_node: bool, cluster: Any, place: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    from anymask.engine.automatic.executors.ray_cluster import RayExecutor

    folder = RunFolder(path=tmp_path)

    def lose_a_node() -> None:
        while sum(1 for _ in folder.read_log()) < 5:
            time.sleep(0.02)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    with RayExecutor(cluster.address) as executor, ThreadPoolExecutor(1) as other:
        assert executor.num_workers == 2
        losing = other.submit(lose_a_node) if loses_a_node else None
        config = tiny_config(place / "m.safetensors")
        summary = run_automatic([place / "photos"], tmp_path, config, executor)
        assert losing is None or losing.exception() is None
    assert summary.num_set_aside == 0
    assert released(tmp_path) == expected


def test_the_command_makes_a_release_and_tells_what_more_would_cost(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(place / "photos" / f"{i}.png") for i in range(2)]
    (tmp_path / "list.txt").write_text("\n".join([*names, str(place / "m.safetensors")]))
    out = tmp_path / "out"
    before = signal.getsignal(signal.SIGTERM)
    command = ["engine", "masks", "-o", str(out), "--workers", "1", "--json"]
    options = ["--model", str(place / "m.safetensors"), "--preset", "quick", "--no-blur"]
    assert main([*command, *options, str(tmp_path / "list.txt")]) == 1  # one is no photo
    assert signal.getsignal(signal.SIGTERM) == before
    told = json.loads(capsys.readouterr().out)
    assert (told["num_images"], told["num_set_aside"]) == (2, 1)
    assert main([*command[:4], "--estimate", "11000000", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["num_measured"] == 2
    assert cost["hours_by_workers"]["8"] == pytest.approx(
        11e6 * cost["seconds_per_image"] / 3600 / 8
    )
    assert main([*command[:4], "--estimate", "11000000"]) == 0
    assert "worker-hours" in capsys.readouterr().out
    assert main([*command[:4], "--preset", "slow", *names]) == 2
    assert "Known: calibrated, paper, quick" in capsys.readouterr().err


def test_the_driver_loads_no_torch() -> None:
    program = (
        "import sys; import anymask.engine.automatic.fully_automatic;"
        "import anymask.engine.automatic.executors.local; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
