"""The main job, as a stranger runs it: a city's log through the real system gives the breaches that the log itself proves,
undisturbed and while services are killed.

The long run with ten kills of each service is marked `slow` and left out of an ordinary run: `./amanah test -m slow`.
"""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.proof import breaches
from tests.e2e.support import LOG, Ended, replay, verify
from tests.support.up import folder

FIGURES = {
    "rows", "filed", "rejected", "routed", "met", "breached", "open", "withdrawn", "notices", "breaches", "lost",
    "duplicated", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def done(data: Path) -> Ended:
    """The shipped log, once."""
    return replay(data, LOG)


def test_it_succeeds_and_writes_every_figure(done: Ended) -> None:
    assert done.code == 0, done.err
    assert "verify: nothing found" in done.out
    assert done.figures.keys() >= FIGURES
    assert done.figures["seconds"] > 0


def test_every_row_is_filed_and_routed_and_nothing_lost_doubled_or_taken_back(done: Ended) -> None:
    expected = {"rows": 1000, "filed": 1000, "routed": 1000, "rejected": 0, "lost": 0, "duplicated": 0, "withdrawn": 0}
    assert {name: done.figures[name] for name in expected} == expected
    assert done.figures["findings"] == []


def test_the_breaches_are_those_that_the_log_proves(done: Ended) -> None:
    assert_proven(done.figures, LOG)
    assert done.figures["breached"] == 59


def test_everybody_was_told_of_each_breach(done: Ended, data: Path) -> None:
    """The agency and the ombudsman by webhook, the superior by mail; and nobody of anything else."""
    sent = [json.loads(line) for line in (data / "sinks" / "webhooks.jsonl").read_text().splitlines()]
    mail = [json.loads(line) for line in (data / "sinks" / "mail.jsonl").read_text().splitlines()]
    offices = Counter(line["path"].split("/")[1] for line in {line["notice"]: line for line in sent}.values())
    assert offices == {"agency": 59, "ombudsman": 59}
    assert len({line["notice"] for line in mail}) == 59
    assert done.figures["notices"] == 3 * 59


def test_verify_agrees_on_the_stopped_stack(done: Ended, data: Path) -> None:
    again = verify(data)
    assert again.code == 0, again.err
    assert again.figures["ok"]
    shared = FIGURES - {"rows", "rejected", "seconds"}
    assert {name: again.figures[name] for name in shared} == {name: done.figures[name] for name in shared}
    idle = [check["check"] for check in again.figures["checks"] if not check["examined"]]
    assert idle == ["set_aside"], "a check that looked at nothing has proved nothing"


def test_kills_change_no_figure(tmp_path: Path) -> None:
    """Every eighth row, while each service is killed twice."""
    header, *rows = LOG.read_text().splitlines(keepends=True)
    log = tmp_path / "log.csv"
    log.write_text("".join([header, *rows[::8]]))
    with folder() as data:
        killed = replay(data, log, "--kill", "2")
    assert_unmoved(killed, log, rows=125, kills=2)


@pytest.mark.slow
def test_ten_kills_of_each_service_change_no_figure() -> None:
    """The whole log, while each service is killed ten times. Takes minutes: `./amanah test -m slow`."""
    with folder() as data:
        killed = replay(data, LOG, "--kill", "10")
    assert_unmoved(killed, LOG, rows=1000, kills=10)


def assert_unmoved(killed: Ended, log: Path, rows: int, kills: int) -> None:
    """All is as without kills, and kills there were."""
    assert killed.code == 0, (killed.err, killed.figures.get("findings"))
    for service in ("intake", "routing", "casework", "sla_monitor", "notifier"):
        assert killed.err.count(f"{service} was killed by signal 9") >= kills - 1, killed.err
    expected = {"rows": rows, "filed": rows, "routed": rows, "lost": 0, "duplicated": 0, "withdrawn": 0}
    assert {name: killed.figures[name] for name in expected} == expected
    assert_proven(killed.figures, log)
    assert killed.figures["notices"] == 3 * len(breaches(log))


def assert_proven(figures: dict[str, Any], log: Path) -> None:
    """The breaches read back from Kafka are those of the log, each at its due instant and once."""
    found = figures["breaches"]
    assert {b["source_id"]: datetime.fromisoformat(b["breached_at"]) for b in found} == breaches(log)
    assert len(found) == figures["breached"] == len(breaches(log))
    assert all(b["due_at"] == b["breached_at"] and b["stage"] == "resolution" for b in found)
