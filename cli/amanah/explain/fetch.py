"""Asks a running SLA monitor for the receipts of a complaint."""

from typing import Any
from uuid import UUID

import httpx

from amanah.fault import Fault


def receipts(url: str, complaint: UUID) -> dict[str, Any]:
    """The document of `GET /deadlines/{complaint}`. Fault when nobody answers, or the complaint is unknown there."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/deadlines/{complaint}", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as away:
        raise Fault(
            f"The SLA monitor at {url} does not answer ({type(away).__name__}). Is the stack running?"
        ) from None
    if answer.status_code == 404:
        raise Fault(
            f"The SLA monitor at {url} knows no complaint {complaint}. Give the complaint's id, not its tracking code; one "
            "just filed takes a moment to arrive."
        )
    try:
        document = answer.json() if answer.status_code == 200 else None
    except ValueError:
        document = None
    if not isinstance(document, dict) or "clocks" not in document:
        raise Fault(f"What answers at {url} is no SLA monitor (HTTP {answer.status_code}).")
    return document
