"""The last seq applied per (source, subject): tells a duplicate, the next one, and a gap apart.

It grows with subjects, not with events, and it sees gaps, which an inbox of event ids cannot.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from amanah_chassis.database import Connection
from amanah_chassis.errors import StalePosition

Stream = tuple[str, UUID]


async def load(db: Connection, streams: Collection[Stream]) -> dict[Stream, int]:
    """The positions known; a stream never seen is absent and stands at 0."""
    if not streams:
        return {}
    ordered = list(streams)
    rows = await db.fetch(
        """
        select p.source, p.subject, p.seq from chassis_position p
        join unnest($1::text[], $2::uuid[]) as s (source, subject) using (source, subject)
        """,
        [source for source, _ in ordered],
        [subject for _, subject in ordered],
    )
    return {(row[0], row[1]): row[2] for row in rows}


async def advance(db: Connection, before: Mapping[Stream, int], after: Mapping[Stream, int]) -> None:
    """Moves positions in the caller's transaction. Raises StalePosition when somebody moved one since `load`: then the
    whole transaction must be tried again, for its effects may have happened already."""
    # In one order everywhere, so that two transactions wait for each other and never deadlock.
    first = sorted((stream for stream in after if stream not in before), key=_order)
    later = sorted((s for s, seq in after.items() if s in before and seq != before[s]), key=_order)
    moved = 0
    if first:
        moved += _rows(
            await db.execute(
                """
                insert into chassis_position (source, subject, seq)
                select * from unnest($1::text[], $2::uuid[], $3::bigint[])
                on conflict do nothing
                """,
                [source for source, _ in first],
                [subject for _, subject in first],
                [after[stream] for stream in first],
            )
        )
    if later:
        moved += _rows(
            await db.execute(
                """
                update chassis_position p set seq = m.now_at
                from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) as m (source, subject, was_at, now_at)
                where p.source = m.source and p.subject = m.subject and p.seq = m.was_at
                """,
                [source for source, _ in later],
                [subject for _, subject in later],
                [before[stream] for stream in later],
                [after[stream] for stream in later],
            )
        )
    if moved != len(first) + len(later):
        raise StalePosition("a position moved since it was read")


def _order(stream: Stream) -> tuple[str, int]:
    return stream[0], stream[1].int


def _rows(status: str) -> int:
    return int(status.rpartition(" ")[2])
