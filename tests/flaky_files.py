"""An fsspec file system in memory whose connections break, or which cannot seek."""

import io
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem


class _Connection(io.BytesIO):
    def __init__(self, content: bytes, system: "type[FlakyFiles]") -> None:
        super().__init__(content)
        self._system = system

    def read(self, size: int | None = -1) -> bytes:
        if self._system.breaks_after is not None:
            self._system.num_read += 1
            if self._system.num_read % self._system.breaks_after == 0:
                raise ConnectionResetError("the connection broke")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._system.can_seek:
            raise ValueError("Cannot seek streaming file")
        return super().seek(offset, whence)


class FlakyFiles(MemoryFileSystem):
    """`flaky://`; the settings are of the class, as fsspec makes the object."""

    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    breaks_after: int | None = None
    can_seek = True
    num_read = 0

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        content = self.cat_file(path) if mode == "rb" else None
        return super()._open(path, mode) if content is None else _Connection(content, type(self))

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("flaky://").strip("/")
