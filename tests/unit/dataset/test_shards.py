"""Archives give their pairs; what is damaged is set aside by name and the rest is read."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.archive_file import ArchiveFile, open_archive
from anymask.dataset.sa1b import parse_sa1b
from anymask.dataset.shards import PairCounts, ShardPair, find_shards, read_pairs
from flaky_files import FlakyFiles
from sa1b_archives import draw_masks, pack, pair_files, write_shards


def read(path: Path | str, **arguments: object) -> tuple[list[ShardPair | None], list[str]]:
    lines: list[str] = []
    pairs = list(read_pairs(str(path), set_aside=lines.append, **arguments))  # type: ignore[arg-type]
    return pairs, lines


def names(pairs: list[ShardPair | None]) -> list[str | None]:
    return [pair and pair.name for pair in pairs]


@pytest.mark.parametrize("is_gzip", [False, True])
def test_pairs_come_in_order_with_their_bytes(tmp_path: Path, is_gzip: bool) -> None:
    (path,) = write_shards(tmp_path, [5], is_gzip=is_gzip)
    pairs, lines = read(path)
    assert names(pairs) == [f"sa_{i}.jpg" for i in range(1, 6)]
    assert not lines
    for number, pair in enumerate(pairs):
        assert pair is not None
        assert pair.number == number
        assert pair.label == f"{path}:sa_{number + 1}.jpg"
        assert pair.image == pair_files(number + 1)[0][1]
        record = parse_sa1b(pair.record)
        for rle, mask in zip(record.masks, draw_masks(number + 1), strict=True):
            np.testing.assert_array_equal(rle.to_mask(), mask)


@pytest.mark.parametrize("is_gzip", [False, True])
def test_members_in_any_order_are_paired_and_numbered_alike(tmp_path: Path, is_gzip: bool) -> None:
    files = [file for i in range(90) for file in pair_files(i, (16, 16))]
    random.Random(0).shuffle(files)
    (tmp_path / "a.tar").write_bytes(pack(files, is_gzip=is_gzip))
    pairs, lines = read(tmp_path / "a.tar")
    assert len(pairs) == 90
    assert not lines
    assert len(set(names(pairs))) == 90
    for pair in pairs:
        assert pair is not None
        stem = pair.name.removesuffix(".jpg")
        assert dict(files)[f"./{stem}.jpg"] == pair.image
        assert dict(files)[f"./{stem}.json"] == pair.record
    few, _ = read(tmp_path / "a.tar", is_wanted={70, 3}.__contains__)
    assert [i for i, pair in enumerate(few) if pair] == [3, 70]
    assert names(few)[70] == names(pairs)[70]


def test_of_what_is_not_wanted_only_headers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_shards(tmp_path, [6])
    sizes: list[int] = []

    class Counting(ArchiveFile):
        def read(self, size: int = -1) -> bytes:
            sizes.append(size)
            return super().read(size)

    monkeypatch.setattr("anymask.dataset.archive_file.ArchiveFile", Counting)
    read(path, is_wanted=lambda _: False)
    assert max(sizes) <= 512
    assert sum(sizes) < Path(path).stat().st_size / 2


class Forward:
    """A stream that does not go back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def seek(self, offset: int) -> int:
        assert offset >= self._stream.tell()
        return self._stream.seek(offset)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize("wanted", [range(50), range(3, 50, 2), range(0)])
def test_what_cannot_seek_is_read_once_from_front_to_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: range
) -> None:
    (path,) = write_shards(tmp_path, [50], is_gzip=True)

    @contextmanager
    def opened(url: str, **arguments: Any) -> Iterator[tuple[Any, bool]]:
        with open_archive(url, **arguments) as (stream, reads_on):
            assert reads_on
            yield Forward(stream), reads_on

    monkeypatch.setattr("anymask.dataset.shards.open_archive", opened)
    pairs, lines = read(path, is_wanted=wanted.__contains__)
    assert [i for i, pair in enumerate(pairs) if pair] == list(wanted)
    assert len(pairs) == 50
    assert not lines


def test_a_selection_is_numbered_by_itself(tmp_path: Path) -> None:
    (path,) = write_shards(tmp_path, [6])
    pairs, lines = read(path, select=lambda name: name in ("sa_2", "sa_5"))
    assert [pair and (pair.number, pair.name) for pair in pairs] == [
        (0, "sa_2.jpg"),
        (1, "sa_5.jpg"),
    ]
    assert not lines


def test_members_without_a_partner_are_set_aside_by_name(tmp_path: Path) -> None:
    files = [file for i in (1, 2, 3, 4) for file in pair_files(i)]
    del files[7], files[2]  # sa_4.json, sa_2.jpg
    other = [("readme.txt", b"x"), ("._sa_9.jpg", b"x"), ("sa_8.jpg", b"")]
    (tmp_path / "a.tar").write_bytes(pack([*files, *other, pair_files(1)[0]]))
    pairs, lines = read(tmp_path / "a.tar")
    assert names(pairs) == ["sa_1.jpg", "sa_3.jpg"]
    assert [line.partition("a.tar: ")[2] for line in lines] == [
        "sa_8.jpg has 0 bytes",
        "sa_2.json has no image",
        "sa_4.jpg has no JSON",
        "sa_1.jpg has no JSON",
    ]


def test_a_damaged_header_hides_only_its_member(tmp_path: Path) -> None:
    files = [file for i in range(5) for file in pair_files(i)]
    raw = bytearray(pack(files))
    second = 512 * (2 + sum(-(-len(content) // 512) for _, content in files[:2]))
    assert raw[second : second + 10] == b"./sa_1.jpg"
    raw[second + 100] ^= 0xFF
    (tmp_path / "a.tar").write_bytes(raw)
    pairs, lines = read(tmp_path / "a.tar")
    assert names(pairs) == ["sa_0.jpg", "sa_2.jpg", "sa_3.jpg", "sa_4.jpg"]
    assert [line.partition("a.tar: ")[2] for line in lines] == ["sa_1.json has no image"]


@pytest.mark.parametrize("is_gzip", [False, True])
def test_an_archive_that_is_cut_off_gives_what_is_whole(tmp_path: Path, is_gzip: bool) -> None:
    raw = pack([f for i in range(5) for f in pair_files(i)], is_gzip=is_gzip)
    (tmp_path / "a.tar").write_bytes(raw[: len(raw) * 3 // 4])
    pairs, lines = read(tmp_path / "a.tar")
    assert names(pairs)[:3] == ["sa_0.jpg", "sa_1.jpg", "sa_2.jpg"]
    assert 3 <= len(pairs) < 5
    assert "a.tar is damaged or cut off after" in lines[0]
    # the numbers are the same when nothing is wanted of them
    assert len(read(tmp_path / "a.tar", is_wanted=lambda _: False)[0]) == len(pairs)


@pytest.mark.parametrize("raw", [b"", b"no tar file", b"\x1f\x8bno gzip", bytes(2000)])
def test_what_is_no_archive_gives_nothing(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(raw)
    assert read(tmp_path / "a.tar")[0] == []


@pytest.mark.parametrize(("can_seek", "breaks_after"), [(True, None), (False, None), (True, 4)])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_urls_are_read_like_files(
    tmp_path: Path, can_seek: bool, breaks_after: int | None, is_gzip: bool
) -> None:
    fsspec.register_implementation("flaky", FlakyFiles, clobber=True)
    (path,) = write_shards(tmp_path, [6], is_gzip=is_gzip)
    with fsspec.open("flaky://b/sa_000000.tar", "wb") as file:
        file.write(Path(path).read_bytes())
    FlakyFiles.breaks_after, FlakyFiles.can_seek, FlakyFiles.num_read = breaks_after, can_seek, 0
    try:
        pairs, lines = read("flaky://b/sa_000000.tar", retry_seconds=(0, 0, 0))
    finally:
        FlakyFiles.breaks_after, FlakyFiles.can_seek = None, True
    assert names(pairs) == [f"sa_{i}.jpg" for i in range(1, 7)]
    assert [pair and pair.image for pair in pairs] == [pair_files(i)[0][1] for i in range(1, 7)]
    assert not lines


@pytest.fixture
def _memory() -> Iterator[None]:
    yield
    fsspec.filesystem("memory").store.clear()


@pytest.mark.usefixtures("_memory")
def test_sources_of_every_kind_are_found(tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "shards", [1, 1, 1])
    assert find_shards(tmp_path / "shards") == tuple(paths)
    assert find_shards(paths[1]) == (paths[1],)
    row = str(tmp_path / "shards" / "sa_{000000..000002}.tar")
    assert find_shards(row) == tuple(paths)
    (tmp_path / "shards" / "list.tsv").write_text(
        "file_name\tcdn_link\nsa_000001.tar\thttps://x.org/sa_000001.tar?sig=a/b\n"
        "sa_images_ids.txt\thttps://x.org/sa_images_ids.txt?sig=c\nsa_000000.tar\n"
    )
    assert find_shards(tmp_path / "shards" / "list.tsv") == (
        "https://x.org/sa_000001.tar?sig=a/b",
        paths[0],
    )
    assert find_shards("https://x.org/sa_{08..10}.tar")[1] == "https://x.org/sa_09.tar"
    for name in ("sa_1.tar", "sa_0.tar", "other.txt"):
        with fsspec.open(f"memory://bucket/{name}", "wb") as file:
            file.write(b"x")
    assert [url.partition("bucket/")[2] for url in find_shards("memory://bucket")] == [
        "sa_0.tar",
        "sa_1.tar",
    ]
    assert all(url.startswith("memory://") for url in find_shards("memory://bucket"))
    assert find_shards(tmp_path) == ()
    assert find_shards(tmp_path / "gone") == ()


def test_archives_that_are_not_there_are_told_at_once(tmp_path: Path) -> None:
    write_shards(tmp_path, [1])
    with pytest.raises(InvalidInputError, match=r"got .*sa_000001\.tar \(2 of 3 are missing\)"):
        find_shards(tmp_path / "sa_{000000..000002}.tar")
    with pytest.raises(InvalidInputError, match=r"must be there, got .*gone\.tar"):
        find_shards(tmp_path / "gone.tar")
    with pytest.raises(InvalidInputError, match=r"must be like sa_\{000000\.\.000999\}\.tar"):
        find_shards("https://x.org/sa_{5..3}.tar")


def test_counts_are_remembered_until_the_archive_changes(tmp_path: Path) -> None:
    (path,) = write_shards(tmp_path / "shards", [2])
    counts = PairCounts(tmp_path / "counts")
    assert counts.get(path, 0.0) is None
    counts.put(path, 0.0, 2)
    again = PairCounts(tmp_path / "counts")
    assert again.get(path, 0.0) == 2
    assert again.get(path, 0.1) is None
    Path(path).write_bytes(Path(path).read_bytes() + bytes(512))
    assert PairCounts(tmp_path / "counts").get(path, 0.0) is None
    (tmp_path / "file").write_text("in the way")
    PairCounts(tmp_path / "file").put(path, 0.0, 2)  # a folder that cannot be is no error
