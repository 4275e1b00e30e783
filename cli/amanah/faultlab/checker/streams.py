"""Each source counts the events of a complaint 1, 2, 3 … on each topic."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import Anomaly, Record


def numbered(e: Evidence) -> Iterator[Anomaly]:
    """No number is left out, used for two events, or comes before a smaller one. A record that lies there twice under one id
    has one number. Where Kafka lost what it had, that holds for each of its lives by itself, as a reader sees it who comes
    new, and for all together: what an agency read before must not be contradicted afterwards."""
    yield from _counted(e.records)
    if len(e.lives) > 1:
        for life in e.lives:
            yield from _counted(life)
    yield from _renumbered(e)


def _counted(of: Sequence[Record]) -> Iterator[Anomaly]:
    streams: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in of:
        if record.sequence:
            streams[record.topic, record.source, record.subject].append(record)
    for (topic, source, subject), records in streams.items():
        where = f"{topic}, {source}, complaint {subject}"
        numbers = [record.sequence for record in sorted(records, key=lambda r: (r.life, r.partition, r.offset))]
        for number in sorted(set(range(1, max(numbers) + 1)) - set(numbers)):
            yield Anomaly("seq-gap", f"{where}: {number} is missing in {numbers}")
        for number, times in Counter(numbers).items():
            if times > 1:
                yield Anomaly("seq-inversion", f"{where}: {number} is {times} different events")
        if numbers != sorted(numbers):
            yield Anomaly("seq-inversion", f"{where}: {numbers}")


def _renumbered(e: Evidence) -> Iterator[Anomaly]:
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in e.all_records:
        if record.type:
            numbers[record.topic, record.id].add(record.sequence)
    for (topic, event), found in numbers.items():
        if len(found) > 1:
            yield Anomaly("seq-inversion", f"{topic}: event {event} has the numbers {sorted(found)}")
