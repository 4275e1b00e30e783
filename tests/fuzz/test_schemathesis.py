"""Each operation of each service, by schemathesis: requests that fit its OpenAPI document and requests that do not. None is
answered with a 5xx, and each answer is one that the document tells of: status, type and shape."""

from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.fuzz.town import SERVICES, Town
from tests.fuzz.tried import STATUSES, tiers, tried

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WITHOUT_ARGUMENTS = {"GET /complaints/status"}
"""Nothing can be wrong with a request of these but its credential."""


@pytest.mark.parametrize("service", SERVICES)
@tiers(15, 400)
def test_every_answer_is_one_that_the_document_tells_of(service: str, examples: int, town: Town) -> None:
    schema = schemathesis.openapi.from_url(f"{town.services[service].url}/openapi.json")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {town.token(service).decode()}"

    def check(case: Any) -> None:
        answer = case.call(session=session)
        STATUSES[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    for operation in operations:
        for mode in GenerationMode:
            if mode is GenerationMode.POSITIVE or operation.label not in WITHOUT_ARGUMENTS:
                name = f"schemathesis, {service} {operation.label}, {mode.value}"
                tried(name, examples, operation.as_strategy(mode), check)
