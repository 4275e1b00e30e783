"""Small rules of the chassis: audiences, logs, the drawn tree of errors."""

import json
import logging
import sys
from typing import ClassVar
from uuid import uuid4

import pytest
from tests.support.ledger_service import DAY

from amanah_chassis import errors, logs
from amanah_chassis.outbox import copies
from amanah_contracts.envelope import Audience, Event


class Told(Event):
    stem: ClassVar[str] = "thing.told"
    topic: ClassVar[str] = "amanah.things"
    audiences: ClassVar[frozenset[Audience]] = frozenset({Audience.AGENCY, Audience.OMBUDSMAN, Audience.PUBLIC})
    hidden: ClassVar[dict[Audience, frozenset[str]]] = {Audience.AGENCY: frozenset({"inner"})}
    agency: str | None = None
    inner: str | None = None


def told(**more: str) -> Told:
    return Told(complaint_id=uuid4(), occurred_at=DAY, received_at=DAY, **more)


def test_an_event_goes_to_its_owner_and_to_each_audience_that_has_a_topic() -> None:
    made = copies(told(agency="dot", inner="s3cret"))
    assert {copy.topic for copy in made} == {"amanah.things", "amanah.agency.dot", "amanah.ombudsman"}
    assert len({copy.event_id for copy in made}) == 1
    bodies = {copy.topic: copy.value for copy in made}
    assert b"s3cret" in bodies["amanah.things"]
    assert b"s3cret" in bodies["amanah.ombudsman"]
    assert b"s3cret" not in bodies["amanah.agency.dot"]


def test_an_event_that_concerns_no_agency_goes_to_none() -> None:
    assert {copy.topic for copy in copies(told())} == {"amanah.things", "amanah.ombudsman"}


def test_a_log_line_has_the_fields_and_of_an_error_its_type_and_place_only() -> None:
    try:
        raise ValueError("s3cret")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it failed", None, sys.exc_info())
    record.topic = "t"
    line = json.loads(logs._JsonLines("tests").format(record))
    assert (line["service"], line["level"], line["message"], line["topic"]) == ("tests", "ERROR", "it failed", "t")
    assert line["error"] == "ValueError"
    assert line["where"].startswith(__file__)
    assert "s3cret" not in json.dumps(line)


def test_the_drawn_tree_of_errors_is_the_tree() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if "─ " in line or "ChassisError" in line]
    drawn = [line.lstrip(" │├└─").split()[0] for line in lines]
    defined = {
        name for name, it in vars(errors).items() if isinstance(it, type) and issubclass(it, errors.ChassisError)
    }
    assert sorted(drawn) == sorted(defined)


def test_reasons_of_refusals_are_distinct_words() -> None:
    kinds = [errors.Undecodable, errors.UnknownType, errors.Misplaced]
    assert len({kind.reason for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "world", [OSError, TimeoutError, ConnectionResetError, errors.StalePosition, errors.DatabaseAway]
)
def test_the_world_is_retried(world: type[Exception]) -> None:
    assert issubclass(world, errors.TRANSIENT)


@pytest.mark.parametrize("fault", [ValueError, KeyError, errors.Refused, errors.ReplayFailed, errors.Misconfigured])
def test_a_records_fault_is_not(fault: type[Exception]) -> None:
    assert not issubclass(fault, errors.TRANSIENT)
