"""What others are told of a project: kept with what happened, sent later, again if it is not heard.

A delivery is a row of the transaction that it tells of: none is lost by a crash, and none tells of
what was taken back.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from anymask.core.errors import NotFoundError
from anymask.engine.store.projects import get_project
from anymask.engine.store.tables import Delivery, Webhook

MAX_ATTEMPTS = 8
KEPT_SECONDS = 7 * 24 * 3600.0
"""How long what was heard or given up can be looked at."""

_FIRST_PAUSE_SECONDS = 10.0
_PAUSE_FACTOR = 4  # the last attempt comes about two days after the first
_CLAIM_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class DueDelivery:
    """A delivery with what is needed to make it."""

    id: int
    url: str
    secret: str
    event: str
    data: dict[str, Any]
    created_at: float


def add_webhook(session: Session, project_id: int, url: str, secret: str, now: float) -> Webhook:
    """Return a new webhook of a project; NotFoundError if there is no such project."""
    get_project(session, project_id)
    webhook = Webhook(project_id=project_id, url=url, secret=secret, created_at=now)
    session.add(webhook)
    session.flush()
    return webhook


def list_webhooks(session: Session, project_id: int) -> list[Webhook]:
    """Return a project's webhooks, oldest first; NotFoundError if there is no such project."""
    get_project(session, project_id)
    query = select(Webhook).where(Webhook.project_id == project_id)
    return list(session.scalars(query.order_by(Webhook.id)))


def delete_webhook(session: Session, project_id: int, webhook_id: int) -> None:
    """Delete a webhook and what it was still to be told.

    Raises:
        NotFoundError: the project has no such webhook.
    """
    session.delete(_webhook(session, project_id, webhook_id))


def list_deliveries(session: Session, project_id: int, webhook_id: int) -> list[Delivery]:
    """Return the last hundred deliveries, newest first; NotFoundError as of `delete_webhook`."""
    _webhook(session, project_id, webhook_id)
    query = select(Delivery).where(Delivery.webhook_id == webhook_id)
    return list(session.scalars(query.order_by(Delivery.id.desc()).limit(100)))


def announce(
    session: Session, project_id: int, event: str, now: float, data: dict[str, Any]
) -> None:
    """Keep what a project's webhooks are to be told."""
    for webhook_id in session.scalars(select(Webhook.id).where(Webhook.project_id == project_id)):
        session.add(
            Delivery(
                webhook_id=webhook_id,
                event=event,
                data=data,
                created_at=now,
                attempts=0,
                next_at=now,
                answer="",
            )
        )


def has_due(session: Session, now: float) -> bool:
    """Whether a delivery is to be made now."""
    return session.scalar(select(Delivery.id).where(Delivery.next_at <= now).limit(1)) is not None


def take_due(session: Session, now: float) -> DueDelivery | None:
    """Return a delivery to be made now; if nobody says how it went it is due again in a minute."""
    delivery = session.scalar(
        select(Delivery)
        .where(Delivery.next_at <= now)
        .order_by(Delivery.next_at, Delivery.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if delivery is None:
        return None
    delivery.next_at = now + _CLAIM_SECONDS
    webhook = session.get_one(Webhook, delivery.webhook_id)
    return DueDelivery(
        id=delivery.id,
        url=webhook.url,
        secret=webhook.secret,
        event=delivery.event,
        data=delivery.data,
        created_at=delivery.created_at,
    )


def record_attempt(
    session: Session, delivery_id: int, answer: str, is_heard: bool, now: float
) -> None:
    """Keep how an attempt went, and when the next one is."""
    session.execute(
        delete(Delivery).where(Delivery.next_at.is_(None), Delivery.created_at < now - KEPT_SECONDS)
    )
    delivery = session.get(Delivery, delivery_id)
    if delivery is None:  # the webhook was deleted meanwhile
        return
    delivery.attempts += 1
    delivery.answer = answer[:200]
    is_over = is_heard or delivery.attempts >= MAX_ATTEMPTS
    pause = _FIRST_PAUSE_SECONDS * _PAUSE_FACTOR ** (delivery.attempts - 1)
    delivery.next_at = None if is_over else now + pause


def _webhook(session: Session, project_id: int, webhook_id: int) -> Webhook:
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.project_id != project_id:
        raise NotFoundError(f"webhook must be one of the project's, got {webhook_id}. List them.")
    return webhook
