"""Errors as the API gives them: JSON with `error`, one line, and `field`, what it is about."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from anymask.core.errors import (
    AccessError,
    AnymaskError,
    ConflictError,
    ImageReadError,
    InvalidInputError,
    NotFoundError,
    OutputError,
    UnknownNameError,
)
from anymask.engine.store.annotations import VersionConflictError
from anymask.server.schemas import AnnotationView

_STATUS: dict[type[AnymaskError], int] = {
    InvalidInputError: 422,
    ImageReadError: 422,
    UnknownNameError: 422,
    NotFoundError: 404,
    AccessError: 403,
    ConflictError: 409,
    OutputError: 507,
}


class NotLoggedInError(AccessError):
    """The request does not say who asks, or not truly."""


class TooManyAttemptsError(AccessError):
    """Too many failures; `wait_seconds` until the next attempt."""

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = int(wait_seconds) + 1
        super().__init__(f"too many failed attempts. Wait {self.wait_seconds} s.")


def error_response(status: int, text: str, field: str | None = None, **more: Any) -> JSONResponse:
    """Return an error as the API gives it."""
    line = " ".join(_encodable(text).split())
    content = {"error": line, "field": None if field is None else _encodable(field), **more}
    return JSONResponse(jsonable_encoder(content), status_code=status)


def _encodable(text: str) -> str:
    """The text without halves of characters, which JSON may bring and UTF-8 cannot say."""
    return text.encode(errors="replace").decode()


def add_error_handlers(app: FastAPI) -> None:
    """Make the application answer errors in the API's way."""
    app.add_exception_handler(AnymaskError, _answer_known)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(404, _answer_no_route)
    app.add_exception_handler(405, _answer_no_route)


def _answer_known(request: Request, error: Exception) -> Response:
    text = str(error)
    if isinstance(error, NotLoggedInError):
        return error_response(401, text)
    if isinstance(error, TooManyAttemptsError):
        response = error_response(429, text)
        response.headers["Retry-After"] = str(error.wait_seconds)
        return response
    if isinstance(error, VersionConflictError):
        current = None if error.current is None else AnnotationView.model_validate(error.current)
        return error_response(409, text, error.field, current=current)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    # Texts of the house begin with the name of what is wrong.
    field = error.field if isinstance(error, ConflictError) else text.split(" ", 1)[0]
    return error_response(status, text, field)


def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(place) or str(first["loc"][0])
    return error_response(422, f"{field}: {first['msg']}. See /api/openapi.json.", field)


def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, str(error.detail))


def _answer_no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return error_response(
        status, f"{request.method} {request.url.path} is not part of the API.", "path"
    )


def fault_response() -> JSONResponse:
    """Return the answer to a request that failed by a fault of ours."""
    return error_response(500, "the server failed; its log says more. Please report it.")
