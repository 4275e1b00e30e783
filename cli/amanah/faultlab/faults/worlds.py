"""The services' clocks are wrong; the law changes while deadlines run."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import yaml

from amanah import project
from amanah.fault import Fault
from amanah.faultlab import preload
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces

SHIFTED = """\
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) { const char *by = getenv("FAULT_LAB_SHIFT"); return by ? atol(by) : 0; }
int clock_gettime(clockid_t which, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, which, now);
    if (code == 0 && which == CLOCK_REALTIME) now->tv_sec += shift();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    int code = clock_gettime(CLOCK_REALTIME, &exact);
    if (code == 0 && now) { now->tv_sec = exact.tv_sec; now->tv_usec = exact.tv_nsec / 1000; }
    return code;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
"""A clock beside the true one, put before the C library of a process."""
HOUR = 3600
ZONES = ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Makassar", "America/New_York", "Pacific/Chatham")
WATCHED_SECONDS = 12.0


async def _shift_clocks(lab: Lab) -> None:
    """Each service gets a clock that is up to an hour wrong, and another zone; the servers keep theirs. Without a C compiler
    only the zones are wrong."""
    library = await asyncio.to_thread(preload.compiled, SHIFTED, lab.stack.data / "shifted.so")
    zones = lab.chance.sample(ZONES, len(ZONES))
    for service, zone in zip(lab.stack.options.services, zones, strict=True):
        shift = lab.chance.choice((-1, 1)) * lab.chance.randint(HOUR // 2, HOUR)
        own = {"TZ": zone}
        if library:
            own |= {"LD_PRELOAD": str(library), "FAULT_LAB_SHIFT": str(shift)}
        lab.told[service] = own


async def _wrong_clocks(lab: Lab) -> Figures:
    """They are wrong from the start to the end; here it is only written down what they were told."""
    await asyncio.sleep(WATCHED_SECONDS)
    return {"told": lab.told, "until": time(), "signed": _signed(lab)}


def _signed(lab: Lab) -> list[float]:
    """How far the timestamps of webhooks were from the receiver's own clock, in seconds."""
    ledger = (lab.stack.data / "sinks" / "webhooks.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in ledger]
    return [abs(datetime.fromisoformat(e["at"]).timestamp() - int(e["timestamp"])) for e in entries]


TOLERANCE = 300.0
"""What a receiver of Standard Webhooks accepts."""


def _were_wrong(traces: Traces) -> Proof:
    """A service stamps its log by its own clock: that shows what it believed."""
    off = {}
    for service in traces.figures["told"]:
        last = traces.found.logs.get(f"{service}.log", "").strip().splitlines()[-1:]
        stamps = [json.loads(line)["at"] for line in last if line.startswith("{")]
        off[service] = round(
            max((abs(datetime.fromisoformat(at).timestamp() - time()) for at in stamps), default=0) / 60
        )
    words = ", ".join(f"{service} {minutes} min" for service, minutes in off.items())
    far = max(traces.figures["signed"], default=0.0)
    unmet = (f"a webhook's timestamp was {far:.0f} s off",) if far > TOLERANCE else ()
    shifted = sum(minutes >= 20 for minutes in off.values())
    return Proof(shifted >= 3, f"clocks wrong by: {words}; webhooks' timestamps by at most {far:.0f} s", unmet)


RULE = {
    "id": "first-answer", "version": "1", "stage": "first_reply", "bound_to": "holder", "unit": "working_day",
    "length": 5, "start": ["complaint.routed"], "stop": ["case.replied", "case.resolved"],
    "law": "None: a rule of the fault lab", "source": "https://lab.invalid", "verified": False,
}  # fmt: skip
ANOTHER = "9999.1"


def _with_a_counted_rule(above: Path) -> Path:
    """The pack of New York with one rule more, whose deadlines a calendar decides."""
    pack = above / "pack"
    shutil.copytree(project.pack("nyc311"), pack)
    rules = yaml.safe_load((pack / "rules.yaml").read_text())
    rules["rules"].append(RULE)
    (pack / "rules.yaml").write_text(yaml.safe_dump(rules))
    return pack


async def _another_calendar(lab: Lab) -> Figures:
    """Three days of the coming week become holidays, while clocks run and more are started."""
    file = lab.stack.pack / "calendars.yaml"
    content = yaml.safe_load(file.read_text())
    today = datetime.now(UTC).date()
    days = [today + timedelta(n) for n in range(2, 12) if (today + timedelta(n)).weekday() < 5][:3]
    content["holiday_lists"]["fault-lab"] = {
        "years": sorted({day.year for day in days}),
        "source": "the fault lab",
        "days": [{"day": day, "name": "A holiday of the fault lab"} for day in days],
    }
    content["calendars"][0] |= {"version": ANOTHER, "holidays": [*content["calendars"][0]["holidays"], "fault-lab"]}
    file.write_text(yaml.safe_dump(content))
    applied = await asyncio.to_thread(_apply, lab.stack.data)
    await asyncio.sleep(3)
    return {"moved": applied["moved"], "at": time()}


def _apply(data: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "amanah.main", "law", "apply", "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise Fault(f"amanah law apply failed: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _moved_once(traces: Traces) -> Proof:
    """Each running clock was moved once, and none of those that no calendar decides."""
    events = {record.id: record for record in traces.found.kafka if record.topic == "amanah.deadlines"}.values()
    moved = Counter(
        (r.subject, r.body["stage"], r.body.get("holder")) for r in events if r.type == "deadline.recalculated.v1"
    )
    calendars: dict[tuple[str, Any], str] = {}
    for record in sorted(events, key=lambda r: (r.subject, r.sequence)):
        if record.body.get("rule") == RULE["id"]:
            clock = (record.subject, record.body.get("holder"))
            if record.type in ("deadline.started.v1", "deadline.recalculated.v1"):
                calendars[clock] = str(record.body.get("calendar"))
            elif record.type == "deadline.met.v1":
                calendars.pop(clock, None)
    old = sum(ANOTHER not in calendar for calendar in calendars.values())
    unmet = [f"{count} clocks run by the old calendar" for count in (old,) if count]
    unmet += [f"{clock} was moved {times} times" for clock, times in moved.items() if times > 1][:3]
    unmet += [f"{clock} was moved, and no calendar decides it" for clock in moved if clock[1] != RULE["stage"]][:3]
    words = (
        f"the law moved {traces.figures['moved']} running clocks, said of {len(moved)};"
        f" {len(calendars)} clocks run by a calendar at the end"
    )
    return Proof(traces.figures["moved"] > 0 and bool(moved), words, tuple(unmet))


FAULTS = (
    Nemesis(
        id="F13",
        title="services with wrong clocks in wrong zones",
        does="Each service lives up to an hour before or after the true time (by a preloaded library) and in another zone.",
        proven_by="the stamps of the services' own logs, half an hour and more from the true time",
        strike=_wrong_clocks,
        proof=_were_wrong,
        prepare=_shift_clocks,
    ),
    Nemesis(
        id="F22",
        title="another calendar while clocks run",
        does="Three days of the coming week become holidays, and `amanah law apply` puts that in force under load.",
        proven_by="deadlines that the command says it moved; each must be said once and none other",
        strike=_another_calendar,
        proof=_moved_once,
        pack=_with_a_counted_rule,
    ),
)
