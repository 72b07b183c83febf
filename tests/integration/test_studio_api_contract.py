"""The API does what its OpenAPI description says, whatever it is asked (schemathesis)."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from studio import add_project, browser, make_app

pytestmark = pytest.mark.slow

# More in a night: ANYMASK_EXAMPLES=500 pytest -m slow tests/integration/test_studio_api_contract.py
EXAMPLES = int(os.environ.get("ANYMASK_EXAMPLES", "15"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("contract") / "studio"
    app = make_app(folder, auth=False, login_attempts=100_000)
    local = browser(app)
    add_project(local, images=2)
    local.put("/api/images/1/lease")
    yield app
    app.state.import_jobs.close()
    app.state.studio.close()


def test_every_route_keeps_its_word(served: FastAPI) -> None:
    headers = {"Host": "127.0.0.1:8000"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", served, headers=headers)
    broken = {}
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
        @given(case=operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE))
        def ask(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        try:
            ask()
        except FailureGroup as error:
            broken[operation.label] = [str(failure) for failure in error.exceptions]
    assert not broken
