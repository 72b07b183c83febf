"""Thirty simulated annotators on one studio server: how long saves take, and whether any is lost.

    python benchmarks/bench_server.py                                 # 10 minutes, SQLite
    python benchmarks/bench_server.py --database postgresql --kill-every 60

Each annotator has a browser's session; it leases images, fetches embeddings, logs events, saves and
changes masks (with idempotency keys, again until there is an answer) and submits. With --kill-every
the server is killed (SIGKILL) and started again while they work. PostgreSQL is Debian's, started
in a temporary folder. At the end every acknowledged save must be there: once, with its content, of
its author, on its image, with a version for each save and no more; and images that were left behind
must come to whoever asks once their leases have run out. Otherwise the exit code is 1.
"""

import argparse
import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from simulated_annotator import IMAGE_SIZE, MASKS_PER_IMAGE, Annotator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from databases import find_postgres, running_postgres

_LEASE_SECONDS = 30.0
_TIMEOUT_SECONDS = 30.0


class Server:
    """The server as a process that can be killed and started again, on one port and folder."""

    def __init__(self, folder: str, database_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = {
            **os.environ,
            "ANYMASK_FOLDER": folder,
            "ANYMASK_PORT": str(self._port),
            "ANYMASK_DATABASE_URL": database_url,
            "ANYMASK_LEASE_SECONDS": str(_LEASE_SECONDS),
        }
        self.password = ""

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "anymask.cli.main", "serve"],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "password" in line:
                self.password = line.split()[-1]
            if line.startswith("Serving"):
                return

    def stop(self, how: signal.Signals) -> None:
        """End it with that signal."""
        self._process.send_signal(how)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def client(self) -> httpx.AsyncClient:
        """Return a browser."""
        return httpx.AsyncClient(base_url=self.url, timeout=_TIMEOUT_SECONDS)


def main() -> int:
    """Run the simulation, print its figures, return 1 if a save was lost, doubled or mixed."""
    parser = argparse.ArgumentParser(description="Simulated annotators on a studio server.")
    parser.add_argument("--annotators", type=int, default=30, metavar="N")
    parser.add_argument("--minutes", type=float, default=10, metavar="M")
    parser.add_argument("--think", type=float, default=5, metavar="S", help="mean, between saves")
    parser.add_argument("--kill-every", type=float, default=0, metavar="S", help="0: never")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.database == "postgresql" and find_postgres() is None:
        print("PostgreSQL is not installed, nothing is measured. Try: apt install postgresql")
        return 0
    with tempfile.TemporaryDirectory() as folder, _database_url(args.database) as url:
        server = Server(folder, url)
        server.start()
        try:
            result = asyncio.run(_measure(server, args))
        finally:
            server.stop(signal.SIGTERM)
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:24} {value}")
    faults = ("lost", "doubled", "mixed", "leases_stuck")
    return 1 if any(result[name] for name in faults) else 0


@contextmanager
def _database_url(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield ""  # in the server's folder
        return
    with running_postgres(is_durable=True) as url:
        yield url


async def _measure(server: Server, args: argparse.Namespace) -> dict[str, Any]:
    seconds = 60 * args.minutes
    async with server.client() as admin:
        login = {"name": "admin", "password": server.password}
        session = (await admin.post("/api/session", json=login)).json()
        admin.headers["X-CSRF-Token"] = session["csrf_token"]
        project = (await admin.post("/api/projects", json={"name": "bench"})).json()["id"]
        for number in range(round(args.annotators * (2 + seconds / args.think / MASKS_PER_IMAGE))):
            name, content = {"name": f"{number}.png"}, _picture(number)
            kind = {"Content-Type": "image/png"}
            url = f"/api/projects/{project}/images"
            (await admin.post(url, params=name, content=content, headers=kind)).raise_for_status()
        people = [await _annotator(server, admin, project, i) for i in range(args.annotators)]
        end = time.monotonic() + seconds
        work = asyncio.gather(*(one.work(project, end, args.think) for one in people))
        kills = 0
        while args.kill_every and time.monotonic() + args.kill_every < end and not work.done():
            await asyncio.sleep(args.kill_every)
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)
            kills += 1
        await work
        faults = await _audit(admin, project, people)
        faults["leases_stuck"] = await _stuck_leases(server, admin, project)
    return {**_figures(people, kills, seconds), **faults}


async def _annotator(
    server: Server, admin: httpx.AsyncClient, project: int, number: int
) -> Annotator:
    invitation = await admin.post("/api/invitations", json={"project_ids": [project]})
    annotator = Annotator(name=f"annotator{number}", client=server.client(), seed=number)
    await annotator.accept(invitation.json()["secret"])
    return annotator


async def _audit(admin: httpx.AsyncClient, project: int, people: list[Annotator]) -> dict[str, Any]:
    """Compare what is stored with what was acknowledged."""
    stored: dict[str, list[dict[str, Any]]] = {}
    async for image in _images(admin, project):
        for row in (await admin.get(f"/api/images/{image['id']}/annotations")).json():
            stored.setdefault(row["id"], []).append(row)
    lost = mixed = 0
    for person in people:
        for mask_id, mask in person.masks.items():
            rows = stored.pop(mask_id, [])
            if not rows:
                lost += mask.version > 0
                continue
            (row,) = rows[:1]
            possible = {(mask.version, mask.counts)}
            if mask.pending is not None:
                possible.add((mask.version + 1, mask.pending))
            lost += (row["version"], row["counts"]) not in possible
            mixed += (row["image_id"], row["author_id"]) != (mask.image_id, person.user_id)
            mixed += len(rows) > 1
    return {"lost": lost, "doubled": len(stored), "mixed": mixed}


async def _stuck_leases(server: Server, admin: httpx.AsyncClient, project: int) -> int:
    """Return how many of the images that are left a new annotator cannot get after the leases."""
    waiting = (await admin.get(f"/api/projects/{project}")).json()["progress"]["waiting"]
    await asyncio.sleep(_LEASE_SECONDS + 1)
    heir = await _annotator(server, admin, project, 10_000)
    given, after = 0, 0
    while True:
        answer = await heir.client.post(f"/api/projects/{project}/next?after={after}")
        if answer.status_code == 204:
            return int(waiting - given)
        given, after = given + 1, answer.json()["image"]["id"]


async def _images(admin: httpx.AsyncClient, project: int) -> Any:
    after = 0
    while rows := (await admin.get(f"/api/projects/{project}/images?after={after}")).json():
        for row in rows:
            yield row
        after = rows[-1]["id"]


def _figures(people: list[Annotator], kills: int, seconds: float) -> dict[str, Any]:
    times = np.array([value for one in people for value in one.save_seconds]) * 1000
    percentiles = {f"p{q}_ms": round(float(np.percentile(times, q)), 1) for q in (50, 95, 99)}
    return {
        "annotators": len(people),
        "saves": len(times),
        "saves_per_second": round(len(times) / seconds, 1),
        "masks": sum(len(one.masks) for one in people),
        "kills": kills,
        "sent_again": sum(one.num_repeated for one in people),
        "conflicts": sum(one.num_conflicts for one in people),
        **percentiles,
        "max_ms": round(float(times.max()), 1),
    }


def _picture(number: int) -> bytes:
    pixels = np.full((*IMAGE_SIZE, 3), number % 256, dtype=np.uint8)
    pixels[:8, :8, 0] = number // 256
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main())
