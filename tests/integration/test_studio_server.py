"""The studio as a real process: a client's day on it, and `kill -9` while people save."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from anymask.cli.main import main
from anymask.client import Client, StudioMask
from anymask.core.errors import AccessError, ConflictError, DownloadError, NotFoundError
from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from databases import find_postgres
from studio import PASSWORD, make_app, picture

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_server.py"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    app = make_app(tmp_path / "studio")
    config = uvicorn.Config(app, port=0, log_level="error")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    socket.close()


def test_a_programs_day(url: str, tmp_path: Path) -> None:
    eve = Client.log_in(url, "eve", PASSWORD)
    project = eve.add_project("dogs", "all of them")
    eve.add_members(project, ["ada", "bob"])
    with pytest.raises(NotFoundError, match="nobody"):
        eve.add_members(project, ["nobody"])
    file = tmp_path / "dog.png"
    file.write_bytes(picture())
    added = eve.add_image(project, file)
    assert eve.add_image(project, file) == added
    assert (added.width, added.height) == (70, 50)

    ada = Client.log_in(url, "ada", PASSWORD)
    work = ada.next_image(project)
    assert work is not None
    image, masks = work
    assert masks == []
    answers = ada.predict(image.id, Prompt(point_coords=[[30, 20]]))
    again = Prompt(point_coords=[[30, 20]], mask_input=answers[0].low_res_logits)
    assert len(answers) == 3
    assert ada.predict(image.id, again)
    pixels = np.zeros((50, 70), dtype=bool)
    pixels[4:9, 5:20] = True
    new = StudioMask(image_id=image.id, segmentation=Rle.from_mask(pixels), name="dog")
    saved = ada.save(new)
    assert saved.version == 1
    assert ada.masks(image.id) == [saved]
    stale = StudioMask(**{**vars(saved), "segmentation": Rle.from_mask(~pixels), "version": 0})
    with pytest.raises(ConflictError) as conflict:
        ada.save(stale)
    assert conflict.value.field == "version"
    ada.submit(image.id)
    assert ada.next_image(project) is None
    with pytest.raises(AccessError):
        ada.review(image.id, "accept")
    assert eve.review(image.id, "accept").state == "accepted"
    assert [one.id for one in eve.images(project, "accepted")] == [image.id]
    eve.export(project, tmp_path / "masks.json")
    exported = json.loads((tmp_path / "masks.json").read_text())
    assert Rle.from_coco(exported["annotations"][0]["segmentation"]) == new.segmentation
    with pytest.raises(NotFoundError):
        eve.export(99, tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


def test_strangers_and_silence_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccessError):
        Client.log_in(url, "ada", "wrong")
    with pytest.raises(AccessError):
        Client(url, "token").next_image(1)
    monkeypatch.setattr("anymask.client.time.sleep", lambda seconds: None)
    with pytest.raises(DownloadError, match="must answer"):
        Client("http://127.0.0.1:9").next_image(1)


def test_a_server_without_accounts_is_not_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--no-auth", "--host", "0.0.0.0"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("anymask: error: host must be one of")
    assert error.count("\n") == 1


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "anymask.cli.main", "serve", "--data", str(tmp_path / "s")]
    process = subprocess.Popen([*words, "--port=0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        password = next(lines).split()[-1]
        address = next(lines).split()[1]
        admin = Client.log_in(address, "admin", password)
        assert admin.add_project("one") == 1
        port = address.rsplit(":", 1)[1]
        taken = subprocess.run(
            [*words[:-1], str(tmp_path / "t"), f"--port={port}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert taken.returncode == 1
        assert taken.stderr.count("\n") == 1
        assert "must be free" in taken.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_acknowledged_save_is_lost_when_the_server_is_killed(database: str) -> None:
    if database == "postgresql" and find_postgres() is None:
        pytest.skip("PostgreSQL's server programs are not installed")
    words = ("--annotators=4", "--minutes=0.3", "--think=0.05", "--kill-every=5", "--json")
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *words, f"--database={database}"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert result["saves"] > 0
    assert result["kills"] >= 1
    faults = ("lost", "doubled", "mixed", "leases_stuck")
    assert [result[name] for name in faults] == [0, 0, 0, 0]
