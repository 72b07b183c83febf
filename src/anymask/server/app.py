"""The server as an ASGI application: routes, protection, errors, and what they work with."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from anymask import __version__
from anymask.server import pages
from anymask.server.access import members_only
from anymask.server.errors import add_error_handlers
from anymask.server.import_jobs import ImportJobs
from anymask.server.protection import Protection
from anymask.server.routes import (
    images,
    oidc,
    people,
    privacy,
    projects,
    quality,
    transfer,
    webhooks,
    work,
)
from anymask.server.schemas import ErrorView
from anymask.server.settings import LOCAL_HOSTS, ServerSettings
from anymask.server.studio import FIRST_NAME, open_studio

_LOG = logging.getLogger(__name__)


def create_app(settings: ServerSettings, announce: Callable[[str], None] = _LOG.warning) -> FastAPI:
    """Return the application; its database is opened and brought up to date now.

    Args:
        settings: of the server.
        announce: gets the line with the first admin's password, which is said once.

    Raises:
        InvalidInputError: a setting cannot be used.
        OutputError: the folder or the database cannot be written.
    """
    studio, password = open_studio(settings)
    if password is not None:
        announce(f"The first account: name {FIRST_NAME}, password {password}")

    jobs = ImportJobs(studio)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        jobs.close()
        studio.close()

    app = FastAPI(
        title="anymask studio",
        version=__version__,
        description="Assisted annotation: projects, queues, masks, reviews. See docs/server.md.",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        responses={"4XX": {"model": ErrorView}},
    )
    app.state.studio = studio
    app.state.import_jobs = jobs
    add_error_handlers(app)
    app.include_router(people.router)
    app.include_router(oidc.router)
    for routes in (projects, images, privacy, quality, work, transfer, webhooks):
        app.include_router(routes.router, dependencies=[Depends(members_only)])
    app.include_router(pages.router)

    @app.get("/api/health", tags=["server"])
    def get_health() -> dict[str, str]:
        """Tell that the server is there, and its version."""
        return {"status": "ok", "version": __version__}

    app.add_middleware(
        Protection,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        max_import_bytes=settings.max_import_bytes,
        allowed_hosts=None if settings.auth else frozenset(LOCAL_HOSTS),
    )
    return app
