"""Bugs as they are made in systems like this one, planted from outside for the length of a test: the checker must find each.

A bug replaces one function by a wrong one. Nothing in the services or the chassis knows of it.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.deterministic.broker import Subscription
from tests.deterministic.edges import Edge
from tests.deterministic.process import MemoryRelay
from tests.deterministic.world import World

from amanah_casework import store as casework_store
from amanah_chassis import applying, dead_letter, outbox, parked
from amanah_chassis.clock import Clock, Reading
from amanah_chassis.relay import FAULTS
from amanah_chassis.waves import Plan
from amanah_intake import filing
from amanah_intake.domain.form import Form
from amanah_notifier import domain as notices
from amanah_notifier import handlers as notifier
from amanah_sla_monitor import store as monitor_store
from amanah_sla_monitor import telling
from amanah_sla_monitor.domain.diff import Difference, What
from amanah_sla_monitor.domain.facts import ROUTED, SUBMITTED, Fact

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """`what` is wrong, for the table; `plant` makes it so."""

    name: str
    what: str
    plant: Plant


BUGS: list[Bug] = []


def _bug(what: str) -> Callable[[Plant], Plant]:
    def add(plant: Plant) -> Plant:
        BUGS.append(Bug(plant.__name__, what, plant))
        return plant

    return add


# -- sending ---------------------------------------------------------------------------------------------------------------


@_bug("a relay that starts looks only for rows after the last it finds: no sweep")
def no_sweep(patch: pytest.MonkeyPatch) -> None:
    unsent = MemoryRelay._unsent

    async def after_the_last(self: Any, db: Any) -> Any:
        if not hasattr(self, "after"):
            ever = await db.fetchval("select count(*) from chassis_outbox where sent_at is not null")
            self.after = await db.fetchval("select max(id) from chassis_outbox") if ever else 0
        return [row for row in await unsent(self, db) if row["id"] > self.after]

    patch.setattr(MemoryRelay, "_unsent", after_the_last)


@_bug("outbox rows are marked as sent before Kafka has acknowledged them")
def marked_before_sent(patch: pytest.MonkeyPatch) -> None:
    send = MemoryRelay._send_batch

    async def marked_first(self: Any, db: Any) -> int:
        try:
            return await send(self, db)
        except FAULTS:
            await db.execute("update chassis_outbox set sent_at = clock_timestamp() where sent_at is null")
            raise

    patch.setattr(MemoryRelay, "_send_batch", marked_first)


@_bug("sequence numbers are counted in the process, not in the database")
def seq_in_memory(patch: pytest.MonkeyPatch) -> None:
    counted: dict[Edge, Counter[tuple[UUID, str]]] = defaultdict(Counter)
    restart = World.restart

    async def reserve(db: Any, wanted: Counter[tuple[UUID, str]]) -> tuple[dict[tuple[UUID, str], int], bool]:
        before = {stream: counted[db._edge][stream] for stream in wanted}
        counted[db._edge].update(wanted)
        return before, False

    async def forgetting(self: World, name: str) -> None:
        counted.pop(self.processes[name].edge, None)
        await restart(self, name)

    patch.setattr(outbox, "_reserve", reserve)
    patch.setattr(World, "restart", forgetting)


# -- receiving -------------------------------------------------------------------------------------------------------------


@_bug("offsets are committed before the records are applied (ack first)")
def ack_first(patch: pytest.MonkeyPatch) -> None:
    register = Subscription.__call__

    def acknowledging(self: Subscription, handler: Any) -> None:
        async def early(records: Sequence[Any]) -> None:
            await self.commit({(record.topic, record.partition): record.offset + 1 for record in records})
            await handler(records)

        register(self, early)

    patch.setattr(Subscription, "__call__", acknowledging)


@_bug("commit() without offsets: what was fetched counts as applied")
def commit_what_was_fetched(patch: pytest.MonkeyPatch) -> None:
    async def all_of_it(self: Subscription, offsets: Mapping[Any, int]) -> None:
        self._step()
        for place in self.places():
            self._broker.committed[self.group, place] = len(self._broker.log[place])

    patch.setattr(Subscription, "commit", all_of_it)


@_bug("no check of positions: what was applied before is applied again")
def no_position_check(patch: pytest.MonkeyPatch) -> None:
    plan = applying.plan  # type: ignore[attr-defined]

    def all_due(items: Sequence[Any], _: Mapping[Any, int]) -> Plan:
        return plan(items, {(item.source, item.event.subject): item.seq - 1 for item in reversed(items)})

    patch.setattr(applying, "plan", all_due)


@_bug("a wave holds several messages about one complaint")
def one_wave(patch: pytest.MonkeyPatch) -> None:
    plan = applying.plan  # type: ignore[attr-defined]

    def merged(items: Sequence[Any], positions: Mapping[Any, int]) -> Plan:
        planned = plan(items, positions)
        planned.waves = [[item for wave in planned.waves for item in wave]] if planned.waves else []
        return planned

    patch.setattr(applying, "plan", merged)


@_bug("what must wait is dropped instead of parked")
def parking_dropped(patch: pytest.MonkeyPatch) -> None:
    async def dropped(db: Any, waiting: Any) -> None:
        pass

    patch.setattr(parked, "park", dropped)


@_bug("dead letters are logged and dropped")
def dead_letters_dropped(patch: pytest.MonkeyPatch) -> None:
    async def dropped(*_: Any) -> None:
        pass

    patch.setattr(dead_letter, "bury", dropped)


# -- filing ----------------------------------------------------------------------------------------------------------------


@_bug("the Idempotency-Key is ignored")
def key_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filing.Caller, "scoped_key", lambda _: uuid4().bytes)


@_bug("the narrative is published as it was written, not masked")
def narrative_unmasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Form, "published_narrative", lambda self: self.narrative)


@_bug("whoever files is written to the log")
def identity_logged(patch: pytest.MonkeyPatch) -> None:
    sealed = filing._sealed

    def telling_all(*what: Any) -> Any:
        [form] = [it for it in what if isinstance(it, Form)]
        logging.getLogger("amanah_intake").info("filed", extra={"by": str(form.identity)})
        return sealed(*what)

    patch.setattr(filing, "_sealed", telling_all)


# -- casework --------------------------------------------------------------------------------------------------------------


@_bug("an order that is delivered twice is carried out twice")
def order_not_remembered(patch: pytest.MonkeyPatch) -> None:
    add = casework_store.add_actions

    async def none_before(db: Any, orders: Any) -> list[Any]:
        return []

    async def under_another_id(db: Any, actions: Sequence[Any]) -> None:
        await add(db, [replace(action, order_id=str(uuid4())) for action in actions])

    patch.setattr(casework_store, "done_before", none_before)
    patch.setattr(casework_store, "add_actions", under_another_id)


# -- deadlines -------------------------------------------------------------------------------------------------------------


@_bug("the unique key of what was said is not heeded")
def fired_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Edge, "rewrite", lambda _, sql: sql.replace("where fired.withdrawn_at is not null", ""))


@_bug("the process's own clock decides, which is forty minutes fast")
def own_clock(patch: pytest.MonkeyPatch) -> None:
    read, fast = Clock.read, timedelta(minutes=40)

    async def ahead(self: Any, db: Any = None) -> Reading:
        reading = await read(self, db)
        late = fast if "sla_monitor" in self._dsn else timedelta()
        return Reading(reading.now + late, reading.settled + late, reading.real)

    patch.setattr(Clock, "read", ahead)


@_bug("a transfer begins the citizen's clock anew")
def transfer_resets(patch: pytest.MonkeyPatch) -> None:
    fold = telling.clocks  # type: ignore[attr-defined]

    def anew(facts: Sequence[Fact], *law_and_now: Any) -> Any:
        moved = [fact for fact in facts if fact.kind == ROUTED and (fact.assignment or 0) > 1]
        if moved:
            at = moved[-1].received_at
            facts = [
                replace(fact, occurred_at=at, received_at=at) if fact.kind == SUBMITTED else fact for fact in facts
            ]
        return fold(facts, *law_and_now)

    patch.setattr(telling, "clocks", anew)


@_bug("an answer received in time, but learnt of after the breach, takes nothing back")
def late_fact_unheard(patch: pytest.MonkeyPatch) -> None:
    compare = telling.diff  # type: ignore[attr-defined]

    def deaf(*arguments: Any) -> Difference:
        found = compare(*arguments)
        taken_back = {(d.row.stage, d.row.holder) for d in found.decisions if d.what is What.BREACH_WITHDRAWN}
        return Difference(
            tuple(d for d in found.decisions if (d.row.stage, d.row.holder) not in taken_back),
            tuple(row for row in found.changed if (row.stage, row.holder) not in taken_back),
        )

    patch.setattr(telling, "diff", deaf)


@_bug("the agency's question stops no clock")
def pause_forgotten(patch: pytest.MonkeyPatch) -> None:
    fold = telling.clocks  # type: ignore[attr-defined]

    def hasty(facts: Sequence[Fact], *law_and_now: Any) -> Any:
        return fold([fact for fact in facts if fact.kind != "case.information_requested"], *law_and_now)

    patch.setattr(telling, "clocks", hasty)


@_bug("a new law is put in force and no running clock is told")
def law_untold(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: Any, **__: Any) -> dict[UUID, Any]:
        return {}

    patch.setattr(monitor_store, "unfinished", nobody)


# -- notices ---------------------------------------------------------------------------------------------------------------


@_bug("a notice gets a random id")
def random_notice_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(notices, "notice_id", lambda *_: uuid4())


@_bug("the agency is told of a whistle-blower's complaint")
def whistle_blower_told(patch: pytest.MonkeyPatch) -> None:
    entitled = notices._entitled
    patch.setattr(
        notices, "_entitled", lambda line, what, whose: entitled(line, what, replace(whose, restricted=False))
    )


@_bug("nobody is told that a breach was taken back")
def never_corrected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(notifier, "decide_withdrawal", lambda *_: [])
