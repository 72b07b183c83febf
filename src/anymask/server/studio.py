"""Everything a running server holds: settings, database, files, embeddings; opened and closed."""

from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import OutputError
from anymask.engine.store import accounts
from anymask.engine.store.blobs import Blobs, open_blobs
from anymask.engine.store.database import Database
from anymask.engine.store.idempotency import forget_old
from anymask.engine.store.tables import Image, Role, User
from anymask.server.credentials import hash_password, new_secret
from anymask.server.decoder_graph import DecoderGraph
from anymask.server.embedding_store import EmbeddingStore, StoredImage, Urgency
from anymask.server.oidc import IdentityProvider
from anymask.server.served_model import ModelSource
from anymask.server.settings import ServerSettings
from anymask.server.webhook_sender import WebhookSender

LOCAL_NAME = "local"
FIRST_NAME = "admin"


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What the routes work with.

    Attributes:
        settings: of the server.
        database: people, projects, masks.
        blobs: images and embeddings.
        models: gives the model of the moment.
        embeddings: computes and serves those of images.
        decoder: what browsers decode with.
        webhooks: tells others what happens.
        identity_provider: where people may log in instead; None for here only.
        local_user: whom every request comes from when there are no accounts.
    """

    settings: ServerSettings
    database: Database
    blobs: Blobs
    models: ModelSource
    embeddings: EmbeddingStore
    decoder: DecoderGraph
    webhooks: WebhookSender
    identity_provider: IdentityProvider | None
    local_user: User | None

    def prepare(self, image: Image, urgency: Urgency) -> None:
        """Let the image's embedding be computed in the background."""
        self.embeddings.prepare(stored_image(image), urgency)

    def close(self) -> None:
        """Stop the background work and close the database."""
        self.embeddings.close()
        self.webhooks.close()
        self.database.close()


def open_studio(settings: ServerSettings) -> tuple[Studio, str | None]:
    """Return the studio, and the password of the first admin if that was made just now.

    Raises:
        InvalidInputError: a setting cannot be used.
        OutputError: folder or database cannot be written.
    """
    try:
        Path(settings.folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{settings.folder} could not be made: {error.strerror}. Choose another folder."
        ) from error
    database = Database(settings.database)
    password, local_user = None, None
    with database.writing() as session:
        forget_old(session, database.now())
        if not settings.auth:
            local_user = accounts.find_user(session, LOCAL_NAME) or accounts.add_user(
                session, LOCAL_NAME, accounts.NO_PASSWORD, Role.ADMIN, database.now()
            )
        elif not accounts.has_login(session):
            password = new_secret()[:20]
            accounts.add_user(
                session, FIRST_NAME, hash_password(password), Role.ADMIN, database.now()
            )
    blobs = open_blobs(settings.blobs)
    models = ModelSource(settings.model, Path(settings.folder))
    studio = Studio(
        settings=settings,
        database=database,
        blobs=blobs,
        models=models,
        embeddings=EmbeddingStore(blobs, models, settings.max_pixels),
        decoder=DecoderGraph(blobs),
        webhooks=WebhookSender(database, settings.webhooks_to_private),
        identity_provider=IdentityProvider(settings) if settings.oidc_issuer else None,
        local_user=local_user,
    )
    return studio, password


def stored_image(image: Image) -> StoredImage:
    """Return what the embeddings need to know of an image."""
    return StoredImage(digest=image.digest, original_size=(image.height, image.width))
