"""What a soak looks at, and what it excuses."""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

from amanah import project
from amanah.soak.life import AFAR, LATEST, SOONEST, life
from amanah.soak.run import DAY, comparable, environment
from amanah.soak.sampler import COMPLAINTS
from amanah.soak.series import Series
from amanah.soak.tables import COME_AND_GO, KEPT, kind
from amanah.soak.verdict import BESIDE, LIMITS, PASSING, STILL
from amanah_intake.settings import IntakeSettings
from amanah_notifier.settings import NotifierSettings


def created() -> Iterator[str]:
    """Every table that a migration makes."""
    for file in project.ROOT.glob("*/**/migrations/*.sql"):
        yield from re.findall(r'create table "?(\w+)', file.read_text())


def test_every_table_has_its_line_in_the_policy() -> None:
    page = (project.ROOT / "docs/retention.md").read_text()
    told = {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert sorted(set(created()) - told) == []


def test_the_tables_that_are_judged_are_there() -> None:
    assert set(created()) >= COME_AND_GO | KEPT
    assert not COME_AND_GO & KEPT


def test_a_table_is_judged_by_what_the_policy_says_of_it() -> None:
    assert [kind(name) for name in ("chassis_outbox", "casefile", "heartbeat")] == [PASSING, BESIDE, STILL]
    assert {PASSING, BESIDE, STILL} <= LIMITS.keys()


def test_what_is_due_within_the_run_is_never_answered_before() -> None:
    """So that it must breach, whatever is killed and however long an answer takes."""
    lives = [life(Random(n), n, ["dot", "nypd"]) for n in range(500)]
    soon = [one for one in lives if one.due_in is not None and one.due_in < AFAR]
    assert 100 < len(soon) < 200
    for one in soon:
        assert one.due_in is not None
        assert SOONEST <= one.due_in <= LATEST
        assert one.answer_in is None or one.answer_in > one.due_in
    assert {one.agency for one in lives} == {"dot", "nypd"}


def test_the_services_understand_the_shortened_terms() -> None:
    told: dict[str, Any] = {name.removeprefix("AMANAH_").lower(): value for name, value in environment(120).items()}
    told["retry_seconds"] = json.loads(told["retry_seconds"])
    intake = IntakeSettings(kafka="k", database="d", **told)
    assert intake.outbox_days * DAY == 120
    assert intake.idempotency_days * DAY == 120
    needed: dict[str, Any] = {"intake_url": "u", "webhook_secret_file": "f", "smtp": "s:1"}
    assert NotifierSettings(kafka="k", database="d", **needed, **told).delivery_days * DAY == 120


def test_of_what_is_kept_each_complaints_share_is_judged_and_the_number_of_complaints_is_not() -> None:
    filed = Series(COMPLAINTS, STILL, "", [(0.0, 10.0), (10.0, 20.0)])
    rows = Series("rows of x", BESIDE, "rows", [(0.0, 20.0), (10.0, 40.0)])
    memory = Series("memory of x", "memory", "MB", [(0.0, 1.0)])
    judged = {series.name: series.points for series in comparable({s.name: s for s in (filed, rows, memory)})}
    assert judged == {"rows of x for each complaint": [(0.0, 2.0), (10.0, 2.0)], "memory of x": [(0.0, 1.0)]}
