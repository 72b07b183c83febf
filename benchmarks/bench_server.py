"""Many simulated annotators on one studio server: how long saves take, and whether any is lost.

    python benchmarks/bench_server.py --annotators 30 --seconds 600
    python benchmarks/bench_server.py --annotators 30 --seconds 600 --kill-every 60

Each annotator leases images, saves and changes masks of a fixed size in runs, logs events, submits.
With --kill-every the server is killed (SIGKILL) again and again while they work. At the end every
acknowledged save must be there with just the version and the mask that was acknowledged, or a later
one that was sent, and none twice; otherwise the exit code is 1.
"""

import argparse
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from anymask.client import Client, StudioMask
from anymask.core.errors import ConflictError, DownloadError
from anymask.core.rle import Rle

_SIZE = (600, 800)  # (H, W)
_PASSWORD = "bench password"


@dataclass
class Log:
    """What one annotator saw: its last acknowledged save of each mask, times, and retries."""

    acknowledged: dict[str, StudioMask] = field(default_factory=dict)
    sent: dict[str, StudioMask] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    conflicts: int = 0


class Server:
    """The server as a process that can be killed and started again, on one port and folder."""

    def __init__(self, folder: str, database_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "ANYMASK_FOLDER": folder,
            "ANYMASK_PORT": str(self.port),
            "ANYMASK_DATABASE_URL": database_url,
            "ANYMASK_PREPARE_AHEAD": "0",
        }
        self.password = ""

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = (
            "from anymask.server.run import serve\n"
            "from anymask.server.settings import ServerSettings\n"
            "serve(ServerSettings.from_environment(), lambda line: print(line, flush=True))\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "password" in line:
                self.password = line.split()[-1]
            if line.startswith("Serving"):
                break
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals) -> None:
        """End it with that signal."""
        self._process.send_signal(how)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> int:
    """Run the simulation, print its figures, return 1 if a save was lost."""
    parser = argparse.ArgumentParser(description="Simulated annotators on a studio server.")
    parser.add_argument("--annotators", type=int, default=30, metavar="N")
    parser.add_argument("--seconds", type=float, default=20, metavar="S")
    parser.add_argument("--think", type=float, default=1.0, metavar="S", help="between saves")
    parser.add_argument("--kill-every", type=float, default=0, metavar="S", help="0: never")
    parser.add_argument("--database-url", default="", help="default: SQLite in the folder")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.database_url)
        server.start()
        try:
            result = _measure(server, args)
        finally:
            server.stop(signal.SIGTERM)
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:24} {value}")
    return 1 if result["lost_or_mixed"] or result["doubled"] else 0


def _measure(server: Server, args: argparse.Namespace) -> dict[str, float]:
    admin = Client.log_in(server.url, "admin", server.password)
    project = admin.add_project("bench")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3 * args.annotators):
            admin.add_image(project, _picture(Path(folder) / f"{number}.png", number))
    clients = [_annotator(admin, server.url, number) for number in range(args.annotators)]
    logs = [Log() for _ in clients]
    end = time.monotonic() + args.seconds
    kills = 0
    with ThreadPoolExecutor(len(clients)) as pool:
        work = [
            pool.submit(_annotate, client, project, log, end, args.think, seed)
            for seed, (client, log) in enumerate(zip(clients, logs, strict=True))
        ]
        while args.kill_every and time.monotonic() + args.kill_every < end:
            time.sleep(args.kill_every)
            server.stop(signal.SIGKILL)
            server.start()
            kills += 1
        for future in work:
            future.result()
    stored = [mask for image in list(admin.images(project)) for mask in admin.masks(image.id)]
    return _summary(logs, stored, kills)


def _annotator(admin: Client, url: str, number: int) -> Client:
    secret = admin._call("POST", "/api/invitations", {"role": "annotator"})["secret"]
    name = f"annotator{number}"
    account = {"secret": secret, "name": name, "password": _PASSWORD}
    admin._call("POST", "/api/invitations/accept", account)
    return Client.log_in(url, name, _PASSWORD)


def _annotate(client: Client, project: int, log: Log, end: float, think: float, seed: int) -> None:
    chance = random.Random(seed)
    while time.monotonic() < end:
        try:
            work = client.next_image(project)
        except DownloadError:  # the server is still starting
            continue
        if work is None:
            return
        image, masks = work
        last = {mask.id: mask for mask in masks}
        for position in range(len(masks), len(masks) + 20):
            if time.monotonic() >= end:
                return
            is_change = bool(last) and chance.random() < 0.3
            rle = _random_mask(chance)
            mask = (
                replace(chance.choice(list(last.values())), segmentation=rle)
                if is_change
                else StudioMask(image_id=image.id, segmentation=rle, position=position)
            )
            log.sent[mask.id] = mask
            start = time.perf_counter()
            try:
                saved = client.save(mask)
            except ConflictError:
                log.conflicts += 1
                break
            except DownloadError:
                break
            log.seconds.append(time.perf_counter() - start)
            log.acknowledged[mask.id] = last[mask.id] = saved
            time.sleep(think * chance.uniform(0.5, 1.5))
        else:
            with suppress(DownloadError):
                client.submit(image.id)


def _summary(logs: list[Log], stored: list[StudioMask], kills: int) -> dict[str, float]:
    of_id: dict[str, list[StudioMask]] = {}
    for mask in stored:
        of_id.setdefault(mask.id, []).append(mask)
    lost = 0
    for log in logs:
        for key, mask in log.acknowledged.items():
            found = of_id.get(key, [])
            # The last one sent may have been stored without its answer having come.
            allowed = (mask.segmentation, log.sent[key].segmentation)
            lost += not (len(found) == 1 and found[0].segmentation in allowed)
            lost += bool(found) and found[0].version < mask.version
    sent = {key for log in logs for key in log.sent}
    seconds = np.array([value for log in logs for value in log.seconds])
    return {
        "saves": len(seconds),
        "masks": len(stored),
        "kills": kills,
        "lost_or_mixed": lost,
        "doubled": sum(len(found) > 1 for found in of_id.values()) + len(of_id.keys() - sent),
        "conflicts": sum(log.conflicts for log in logs),
        "p50_ms": round(float(np.percentile(seconds, 50)) * 1000, 1),
        "p95_ms": round(float(np.percentile(seconds, 95)) * 1000, 1),
        "max_ms": round(float(seconds.max()) * 1000, 1),
    }


def _random_mask(chance: random.Random) -> Rle:
    height, width = _SIZE
    y, x = np.mgrid[:height, :width]
    radius = chance.uniform(20, 150)
    centre = chance.uniform(0, width), chance.uniform(0, height)
    return Rle.from_mask((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2)


def _picture(path: Path, seed: int) -> Path:
    pixels = np.full((*_SIZE, 3), seed % 256, dtype=np.uint8)
    pixels[:8, :8, 0] = seed // 256
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    path.write_bytes(stream.getvalue())
    return path


if __name__ == "__main__":
    sys.exit(main())
