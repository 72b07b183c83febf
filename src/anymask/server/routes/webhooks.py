"""Webhooks of a project: URLs that are told what happens in it."""

from fastapi import APIRouter

from anymask.engine.store import audit, webhooks
from anymask.server.access import Admin, StudioOf
from anymask.server.admin_schemas import DeliveryView, NewWebhookView, WebhookDraft, WebhookView
from anymask.server.credentials import new_secret
from anymask.server.schemas import RowId
from anymask.server.webhook_sender import check_url

router = APIRouter(prefix="/api/projects/{project_id}/webhooks", tags=["webhooks"])


@router.post("", status_code=201)
def add_webhook(
    project_id: RowId, draft: WebhookDraft, user: Admin, studio: StudioOf
) -> NewWebhookView:
    """Add a URL that is told of submissions and reviews; the secret that signs is shown once."""
    check_url(draft.url)
    secret = new_secret()
    with studio.database.writing() as session:
        now = studio.database.now()
        webhook = webhooks.add_webhook(session, project_id, draft.url, secret, now)
        audit.note(session, user, "add webhook", now, project_id=project_id, url=draft.url)
        return NewWebhookView(**WebhookView.model_validate(webhook).model_dump(), secret=secret)


@router.get("")
def list_webhooks(project_id: RowId, user: Admin, studio: StudioOf) -> list[WebhookView]:
    """List a project's webhooks."""
    with studio.database.reading() as session:
        rows = webhooks.list_webhooks(session, project_id)
    return [WebhookView.model_validate(row) for row in rows]


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    project_id: RowId, webhook_id: RowId, user: Admin, studio: StudioOf
) -> list[DeliveryView]:
    """List what a webhook was told lately, and how it answered; newest first."""
    with studio.database.reading() as session:
        rows = webhooks.list_deliveries(session, project_id, webhook_id)
    return [DeliveryView.model_validate(row) for row in rows]


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(project_id: RowId, webhook_id: RowId, user: Admin, studio: StudioOf) -> None:
    """Delete a webhook; it is told nothing more."""
    with studio.database.writing() as session:
        webhooks.delete_webhook(session, project_id, webhook_id)
        did = {"project_id": project_id, "webhook_id": webhook_id}
        audit.note(session, user, "delete webhook", studio.database.now(), **did)
