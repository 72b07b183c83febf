"""How an uploaded image is kept, and the headers with which it goes out again."""

from urllib.parse import quote

from anymask.engine.store import projects
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.image_files import check_image
from anymask.engine.store.tables import Image
from anymask.server.embedding_store import Urgency
from anymask.server.studio import Studio


def keep_image(studio: Studio, project_id: int, data: bytes, name: str) -> tuple[Image, bool]:
    """Return a project's image of that file, and whether it is new; its embedding will be computed.

    Raises:
        NotFoundError: there is no such project.
        ImageReadError, InvalidInputError: as of `check_image`.
    """
    with studio.database.reading() as session:
        projects.get_project(session, project_id)
    file = check_image(data, name, studio.settings.max_pixels)
    # The file first: a row whose file is missing must never be seen.
    blob = image_blob(file.digest)
    if blob not in studio.blobs:
        studio.blobs.write(blob, data)
    with studio.database.writing() as session:
        image, is_new = projects.add_image(session, project_id, file, studio.database.now())
    studio.prepare(image, Urgency.SOME_DAY)
    return image, is_new


def disposition(name: str, kind: str = "inline") -> str:
    """Return a Content-Disposition header for any file name (RFC 6266)."""
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
