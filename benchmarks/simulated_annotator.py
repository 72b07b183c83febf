"""An annotator that never tires, over HTTP: leases, clicks, saves with retries, submits."""

import asyncio
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from anymask.core.rle import Rle

IMAGE_SIZE = (600, 800)  # (H, W)
MASKS_PER_IMAGE = 20
PASSWORD = "bench password"
_RETRY_SECONDS = 0.25
_CHANGED_SHARE = 0.3  # of saves that change an earlier mask


@dataclass
class Mask:
    """A mask as the annotator knows it.

    Attributes:
        image_id: where it lies.
        version: the last acknowledged one, 0 before.
        counts: what that one holds.
        pending: what a save holds whose answer has not come; None without one.
    """

    image_id: int
    version: int = 0
    counts: str = ""
    pending: str | None = None


@dataclass
class Annotator:
    """One person in one browser.

    Attributes:
        name: of the account.
        client: with a cookie jar of its own.
        seed: of what is drawn and when.
        masks: by UUID, everything that was ever sent.
        save_seconds: of each acknowledged save, from its first sending to the answer.
        num_repeated: saves that had to be sent again.
        num_conflicts: saves that were refused.
    """

    name: str
    client: httpx.AsyncClient
    seed: int
    user_id: int = 0
    masks: dict[str, Mask] = field(default_factory=dict)
    save_seconds: list[float] = field(default_factory=list)
    num_repeated: int = 0
    num_conflicts: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    async def accept(self, secret: str) -> None:
        """Make the account, logged in."""
        account = {"secret": secret, "name": self.name, "password": PASSWORD}
        answer = await self.client.post("/api/invitations/accept", json=account)
        answer.raise_for_status()
        self.user_id = answer.json()["user"]["id"]
        self.client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]

    async def work(self, project: int, end: float, think: float) -> None:
        """Annotate image after image until the end, or until none is left.

        Args:
            project: its id.
            end: when to stop, by `time.monotonic()`.
            think: mean seconds between saves.
        """
        model = (await self._ask("GET", "/api/model")).json()["model_id"]
        await asyncio.sleep(think * self._chance.random())
        while time.monotonic() < end:
            answer = await self._ask("POST", f"/api/projects/{project}/next")
            if answer.status_code == 204:
                return
            work = answer.json()
            image = work["image"]["id"]
            await self._ask("GET", f"/api/images/{image}/embedding", params={"model": model})
            mine = [row["id"] for row in work["annotations"] if row["id"] in self.masks]
            if await self._annotate(image, mine, end, think):
                await self._ask("POST", f"/api/images/{image}/submit")

    async def _annotate(self, image: int, mine: list[str], end: float, think: float) -> bool:
        """Save masks on a leased image; return whether it is done."""
        for position in range(len(mine), MASKS_PER_IMAGE):
            await self._ask("PUT", f"/api/images/{image}/lease")  # as a browser's heartbeat
            await asyncio.sleep(think * self._chance.uniform(0.5, 1.5))
            if time.monotonic() >= end:
                return False
            is_change = bool(mine) and self._chance.random() < _CHANGED_SHARE
            mask_id = self._chance.choice(mine) if is_change else str(uuid.uuid4())
            await self._log(image, mask_id)
            if not await self._save(mask_id, image, position):
                return False
            if not is_change:
                mine.append(mask_id)
        return True

    async def _log(self, image: int, mask_id: str) -> None:
        actions: list[dict[str, Any]] = [
            {"kind": "click", "annotation_id": mask_id, "age_seconds": 2, "data": {"x": 9, "y": 9}},
            {"kind": "choice", "annotation_id": mask_id, "age_seconds": 1, "data": {"choice": 1}},
            {"kind": "save", "annotation_id": mask_id},
        ]
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        await self._ask("POST", f"/api/images/{image}/events", json=actions, headers=headers)

    async def _save(self, mask_id: str, image: int, position: int) -> bool:
        """Save until it is acknowledged; return False if the image is somebody else's now."""
        mask = self.masks.setdefault(mask_id, Mask(image_id=image))
        mask.pending = _draw(self._chance)
        body = {
            "image_id": image,
            "version": mask.version,
            "segmentation": {"size": IMAGE_SIZE, "counts": mask.pending},
            "position": position,
            "model_id": "bench",
            "predicted_iou": 0.9,
            "prompts": {"point_coords": [[9, 9]], "point_labels": [1]},
        }
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        started = time.perf_counter()
        answer = await self._ask("PUT", f"/api/annotations/{mask_id}", json=body, headers=headers)
        if answer.status_code != 200:
            mask.pending = None  # refused, so not stored
            self.num_conflicts += 1
            return False
        self.save_seconds.append(time.perf_counter() - started)
        mask.version, mask.counts, mask.pending = answer.json()["version"], mask.pending, None
        return True

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send until there is an answer; the server may be away for seconds."""
        for attempt in range(1000):
            try:
                answer = await self.client.request(method, path, headers=headers, **more)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code < 500:
                    self.num_repeated += method == "PUT" and headers is not None and attempt > 0
                    return answer
            await asyncio.sleep(_RETRY_SECONDS)
        raise TimeoutError(f"{method} {path} was never answered")


def _draw(chance: random.Random) -> str:
    """COCO's run lengths of a ragged disc, about as long as those of real masks."""
    height, width = IMAGE_SIZE
    radius = chance.randint(20, 150)
    x, y = chance.randint(radius, width - radius - 1), chance.randint(radius, height - radius - 1)
    columns = np.arange(x - radius + 1, x + radius)
    half = np.sqrt(radius**2 - (columns - x) ** 2)
    ragged = np.random.default_rng(chance.getrandbits(32)).uniform(0.8, 1.0, (2, len(columns)))
    tops, bottoms = y - half * ragged[0], y + half * ragged[1] + 1
    return str(
        Rle.from_column_runs(
            IMAGE_SIZE, columns, tops.astype(np.int64), bottoms.astype(np.int64)
        ).to_coco()["counts"]
    )
