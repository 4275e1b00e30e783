"""Records that cannot be handled, kept whole, counted, and replayable; or given up, so that what waits behind goes on."""

from collections.abc import Collection
from datetime import datetime

import asyncpg

from amanah_chassis import metrics, positions
from amanah_chassis.batch import Origin
from amanah_chassis.database import Connection
from amanah_chassis.decode import place_in_stream
from amanah_chassis.errors import OutOfTurn
from amanah_chassis.logs import logger
from amanah_chassis.parked import origin_of, origin_row

log = logger(__name__)


async def bury(db: Connection, origin: Origin, reason: str, detail: str, now: datetime) -> None:
    """Stores one record in the caller's transaction. The same record is buried once, however often it is delivered; a
    replay that failed brings it back to life as unreplayed. One that was given up stays so."""
    new = await db.fetchval(
        """
        insert into chassis_dead_letter
            (topic, partition, "offset", appended_at, key, headers, value, reason, detail, dead_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (topic, partition, "offset") do update
            set reason = excluded.reason, detail = excluded.detail, replayed_at = null
            where chassis_dead_letter.replayed_at is not null and chassis_dead_letter.given_up is null
        returning true
        """,
        *origin_row(origin),
        reason,
        _storable(detail),
        now,
    )
    if new:
        metrics.DEAD_LETTERS.labels(origin.topic, reason).inc()
        log.error(
            "dead letter",
            extra={"topic": origin.topic, "partition": origin.partition, "offset": origin.offset, "reason": reason},
        )


def _storable(detail: str) -> str:
    """Postgres takes neither NUL nor lone surrogates, and a text about a bad record may hold both."""
    return detail[:2000].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


async def waiting(db: Connection, ids: list[int] | None = None) -> list[asyncpg.Record]:
    """Dead letters not yet replayed, oldest first; all of them or those named."""
    return await db.fetch(
        """
        select * from chassis_dead_letter
        where replayed_at is null and ($1::bigint[] is null or id = any($1))
        order by id
        """,
        ids,
    )


async def take(db: Connection, letter_id: int, now: datetime) -> bool:
    """Marks one as replayed in the caller's transaction; False when somebody else already has."""
    statement = "update chassis_dead_letter set replayed_at = $2 where id = $1 and replayed_at is null returning true"
    return bool(await db.fetchval(statement, letter_id, now))


async def give_up(db: Connection, letter: asyncpg.Record, why: str, owned: Collection[str]) -> bool:
    """Settles a letter that can never be handled, in the caller's transaction; answers whether it moves its stream on. The
    running service then takes up what waited behind it. False for one on a topic that is not among the owners' (`owned`):
    whoever wrote there may have named any stream. Raises OutOfTurn while records before it are missing, for then it could
    hold its stream later, unseen; StalePosition when another consumer moved the stream meanwhile."""
    await db.execute(
        "update chassis_dead_letter set replayed_at = chassis_now(), given_up = $2 where id = $1 and replayed_at is null",
        letter["id"],
        _storable(why),
    )
    place = place_in_stream(origin_of(letter)) if letter["topic"] in owned else None
    if place is None:
        return False
    source, subject, seq = place
    known = await positions.load(db, [(source, subject)])
    at = known.get((source, subject), 0)
    if seq > at + 1:
        raise OutOfTurn(
            f"it is number {seq} of its stream, and number {at + 1} is still missing: settle that one first"
        )
    await positions.advance(db, known, {(source, subject): max(seq, at)})
    return seq > at


async def explain(db: Connection, letter_id: int, reason: str, detail: str) -> None:
    """Gives a letter that failed again its new reason."""
    await db.execute(
        "update chassis_dead_letter set reason = $2, detail = $3 where id = $1 and replayed_at is null",
        letter_id,
        reason,
        _storable(detail),
    )


async def depth(db: Connection) -> int:
    return int(await db.fetchval("select count(*) from chassis_dead_letter where replayed_at is null"))
