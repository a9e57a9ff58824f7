"""The OpenAPI document against the server: whatever is sent, no 5xx, and answers as they are described.

INCOGNITO_CASES says how many are made up for each route and phase; CI tries 12.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from asking import served
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = int(os.environ.get("INCOGNITO_CASES", "12"))
HEALTHY = list(HealthCheck)  # uploads are large and slow to make up
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


OPERATIONS = [
    ("POST", "/v1/remove"),
    ("POST", "/v1/matte"),
    ("POST", "/v1/videos"),
    ("GET", "/v1/videos/{id}"),
    ("GET", "/v1/videos/{id}/result"),
    ("DELETE", "/v1/videos/{id}"),
    ("GET", "/v1/models"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def document():
    """The document of a running server."""
    with served() as server:
        server.ready()
        yield schemathesis.openapi.from_url(server.address + "openapi.json")


def test_every_operation_is_tried(document):
    """None is forgotten when one is added."""
    described = {(each.ok().method.upper(), each.ok().path) for each in document.get_all_operations()}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["within", "beyond"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_no_case_breaks_it(document, method, path, mode):
    """Made up within the document and beyond it."""
    statuses = []

    @settings(max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=HEALTHY)
    @given(document[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        answer = case.call()
        statuses.append(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    try:
        check()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE and method != "POST"  # nothing can be wrong with what takes nothing
    assert all(status < 500 for status in statuses)
