"""The order of a batch: which deliveries are due, which have been applied before, which must wait. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from amanah_chassis.batch import Delivered
from amanah_chassis.positions import Stream


@dataclass(slots=True)
class Plan:
    """`waves`: each with at most one delivery per subject, to be applied one after the other. `ahead`: behind a gap.
    `behind`: duplicates. `after`: the position of each stream once all waves are applied."""

    waves: list[list[Delivered[Any]]] = field(default_factory=list)
    ahead: list[Delivered[Any]] = field(default_factory=list)
    behind: list[Delivered[Any]] = field(default_factory=list)
    after: dict[Stream, int] = field(default_factory=dict)


def plan(items: Sequence[Delivered[Any]], positions: Mapping[Stream, int]) -> Plan:
    """Sorts a batch in order of arrival. An order (seq 0) has no stream: it is always due, in its subject's turn."""
    planned = Plan()
    turns: dict[UUID, int] = {}
    after = planned.after
    for item in items:
        subject = item.event.subject
        if item.seq:
            stream = (item.source, subject)
            position = after.get(stream)
            if position is None:
                position = positions.get(stream, 0)
            if item.seq <= position:
                planned.behind.append(item)
                continue
            if item.seq > position + 1:
                planned.ahead.append(item)
                continue
            after[stream] = item.seq
        turn = turns.get(subject, 0)
        turns[subject] = turn + 1
        if turn == len(planned.waves):
            planned.waves.append([])
        planned.waves[turn].append(item)
    return planned
