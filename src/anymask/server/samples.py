"""A first project with photos that anybody may use, to try the studio with."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from anymask.core.errors import MissingExtraError, NotFoundError
from anymask.engine.store import projects
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.image_files import check_image
from anymask.engine.store.tables import Image
from anymask.server.studio import Studio, stored_image

# Of scikit-image, which has them in the public domain.
_PHOTOS = ("coffee.png", "chelsea.png", "astronaut.png", "rocket.jpg")
_NAME = "Sample photos"
_GUIDELINE = "Everything you could name, what catches the eye first."


def add_samples(studio: Studio, announce: Callable[[str], None]) -> None:
    """Add a project of sample photos, unless there is a project already.

    Args:
        studio: just opened.
        announce: gets a line about what was added.

    Raises:
        MissingExtraError: scikit-image, which brings the photos, is not installed.
    """
    with studio.database.reading() as session:
        if projects.list_projects(session):
            return
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise MissingExtraError("scikit-image", "dev")
    folder = Path(package.origin).parent / "data"
    now = studio.database.now()
    with studio.database.writing() as session:
        project = projects.add_project(session, _NAME, _GUIDELINE, now)
        images = []
        for name in _PHOTOS:
            data = (folder / name).read_bytes()
            file = check_image(data, name, studio.settings.max_pixels)
            studio.blobs.write(image_blob(file.digest), data)
            images.append(projects.add_image(session, project.id, file, now)[0])
    # To open the page and log in takes longer.
    threading.Thread(target=_prepare, args=(studio, images), daemon=True).start()
    announce(f"Added the project {_NAME!r} with {len(images)} photos.")


def _prepare(studio: Studio, images: Sequence[Image]) -> None:
    """Have at hand what the first click needs; without a decoder the server answers it."""
    with suppress(NotFoundError, CancelledError):
        served = studio.models.served()
        for image in images:
            studio.embeddings.encoded(stored_image(image), served.predictor)
        studio.decoder.read(served)
