"""Databases to test with: SQLite files, and a PostgreSQL of our own where its programs are."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDERS = ("/usr/local/bin", "/usr/bin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's server programs, None where they are not installed."""
    found = shutil.which("initdb", path=os.pathsep.join((os.environ.get("PATH", ""), *_FOLDERS)))
    return None if found is None else Path(found).resolve().parent


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[str]:
    """Return a context with the URL of a fresh PostgreSQL on a local port, gone afterwards.

    Only if it is durable it waits for the disk, as one with people's work does.
    """
    import socket

    programs = find_postgres()
    assert programs is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # PostgreSQL refuses to run as root, and its user must be able to reach the folder.
    user = "postgres" if sys.platform != "win32" and os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        if user is not None:
            shutil.chown(folder, user)

        def run(*words: str) -> None:
            subprocess.run(
                words, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60
            )

        data = f"{folder}/data"
        run(f"{programs}/initdb", "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8", "-N")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        options += "" if is_durable else " -c fsync=off"
        run(f"{programs}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            run(f"{programs}/pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
