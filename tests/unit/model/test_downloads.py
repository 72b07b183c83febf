"""Downloads from a server on this machine: whole, resumed, refused, cut short, wrong."""

import errno
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from anymask.core.errors import CheckpointError, DownloadError, OutputError, UnknownNameError
from anymask.model import downloads
from anymask.model.downloads import (
    OFFICIAL_FILES,
    OfficialFile,
    cache_folder,
    download,
    official_path,
    sha256_of,
    verify,
)

CONTENT = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content`, as `server.fault` says; keeps the Range of each request."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        if server.fault == "missing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if server.fault == "no ranges":
            start = 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if server.fault != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if server.fault == "cut" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    entry = OfficialFile(
        file_name="fake.pth",
        num_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    monkeypatch.setitem(OFFICIAL_FILES, "fake", entry)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.fault, server.ranges = CONTENT, None, []
    server.url = f"http://127.0.0.1:{server.server_port}/models"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server, folder: Path) -> Path:
    return download("fake", folder, server.url, show_progress=False)


def refusal(server, folder: Path, kind=DownloadError) -> str:
    with pytest.raises(kind) as caught:
        fetch(server, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_official_files_are_complete():
    assert set(OFFICIAL_FILES) == {"vit_b", "vit_l", "vit_h"}
    for name, entry in OFFICIAL_FILES.items():
        assert entry.file_name.startswith(f"sam_{name}_")
        assert len(bytes.fromhex(entry.sha256)) == 32


def test_a_file_is_fetched_whole_into_a_new_folder(server, tmp_path):
    path = fetch(server, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "fake.pth"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_a_whole_file_is_not_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    fetch(server, tmp_path)
    assert len(server.ranges) == 1


def test_a_wrong_file_in_its_place_is_replaced(server, tmp_path):
    (tmp_path / "fake.pth").write_bytes(b"x" * len(CONTENT))
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_part_is_resumed(server, tmp_path):
    (tmp_path / "fake.pth.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.fault = "no ranges"
    (tmp_path / "fake.pth.part").write_bytes(b"y" * 1000)
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_whole_part_needs_no_network(server, tmp_path):
    (tmp_path / "fake.pth.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_that_is_too_long_starts_over(server, tmp_path):
    (tmp_path / "fake.pth.part").write_bytes(CONTENT + b"more")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_cut_connection_keeps_the_part_and_the_next_call_goes_on(server, tmp_path):
    server.fault = "cut"
    text = refusal(server, tmp_path)
    assert "ended early" in text
    assert "Run it again" in text
    part = tmp_path / "fake.pth.part"
    assert part.read_bytes() == CONTENT[: len(CONTENT) // 2]
    server.fault = None
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={len(CONTENT) // 2}-"


def test_a_wrong_hash_removes_the_part(server, tmp_path):
    server.content = CONTENT[::-1]
    assert "SHA-256" in refusal(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_length_is_refused_before_it_is_fetched(server, tmp_path):
    server.content = b"<html>log in first</html>"
    (tmp_path / "fake.pth.part").write_bytes(b"")
    assert f"offers 25 bytes, not {len(CONTENT)}" in refusal(server, tmp_path)
    assert (tmp_path / "fake.pth.part").read_bytes() == b""


def test_an_endless_answer_is_cut_off(server, tmp_path):
    server.fault, server.content = "no length", CONTENT + bytes(1000)
    assert f"not {len(CONTENT)}" in refusal(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_length_is_no_fault(server, tmp_path):
    server.fault = "no length"
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_missing_file_names_the_answer(server, tmp_path):
    server.fault = "missing"
    assert "answered 404" in refusal(server, tmp_path)


def test_a_server_that_is_not_there_is_named(server, tmp_path):
    server.url = "http://127.0.0.1:1"
    assert "cannot be reached" in refusal(server, tmp_path)


def test_a_full_disk_keeps_what_came(server, tmp_path, monkeypatch):
    real_open = Path.open

    def open_on_full_disk(path, mode="r", **options):
        stream = real_open(path, mode, **options)
        if path.suffix == ".part" and "b" in mode and mode != "rb":
            stream.close()
            raise OSError(errno.ENOSPC, "No space left on device")
        return stream

    (tmp_path / "fake.pth.part").write_bytes(CONTENT[:1000])
    monkeypatch.setattr(Path, "open", open_on_full_disk)
    text = refusal(server, tmp_path, OutputError)
    assert "No space left on device" in text
    assert "ANYMASK_CACHE" in text
    assert (tmp_path / "fake.pth.part").stat().st_size == 1000


def test_a_folder_that_cannot_be_made_is_an_output_error(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "could not be written" in refusal(server, tmp_path / "file", OutputError)


def test_progress_is_drawn_only_when_asked(server, tmp_path, monkeypatch):
    seen = []
    real_tqdm = downloads.tqdm
    monkeypatch.setattr(
        downloads, "tqdm", lambda **options: seen.append(options) or real_tqdm(**options)
    )
    download("fake", tmp_path / "a", server.url)
    download("fake", tmp_path / "b", server.url, show_progress=False)
    assert [options["disable"] for options in seen] == [None, True]
    assert seen[0]["total"] == len(CONTENT)


def test_verify_accepts_only_the_official_file(server, tmp_path):
    path = fetch(server, tmp_path)
    verify(path, "fake")
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(CheckpointError, match=r"not the official fake: its SHA-256"):
        verify(path, "fake")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match=r"has 10239 bytes, not 10240"):
        verify(path, "fake")
    path.unlink()
    with pytest.raises(CheckpointError, match="anymask models download fake"):
        verify(path, "fake")


def test_an_unknown_name_lists_the_known(tmp_path):
    for call in (download, official_path):
        with pytest.raises(UnknownNameError, match=r"vit_x.*vit_b, vit_h, vit_l"):
            call("vit_x", tmp_path)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert official_path("vit_b") == tmp_path / "own" / "sam_vit_b_01ec64.pth"
    monkeypatch.delenv("ANYMASK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "anymask"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "anymask"


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(CONTENT).hexdigest()
