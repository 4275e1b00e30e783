"""A database and a role for each service, that no other service can enter."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from amanah.fault import Fault


def for_role(superuser: str, database: str, role: str, password: str) -> str:
    """The superuser's DSN turned into that of a role."""
    from urllib.parse import quote

    parts = urlsplit(superuser)
    query = dict(parse_qsl(parts.query))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        (parts.scheme, f"{role}:{quote(password, safe='')}@{host}", f"/{database}", urlencode(query, safe="/"), "")
    )


def to(superuser: str, database: str) -> str:
    """The superuser's DSN for another database."""
    return urlunsplit(urlsplit(superuser)._replace(path=f"/{database}"))


async def create(superuser: str, name: str, password: str) -> None:
    """Creates role and database of this name, or sets the password of the role that is there."""
    async with await _connect(superuser) as db:
        from psycopg import sql

        role, secret = sql.Identifier(name), sql.Literal(password)
        known = await (await db.execute("select from pg_roles where rolname = %s", (name,))).fetchone()
        verb = sql.SQL("alter" if known is not None else "create")
        await db.execute(sql.SQL("{} role {} login password {}").format(verb, role, secret))
        there = await (await db.execute("select from pg_database where datname = %s", (name,))).fetchone()
        if there is None:
            await db.execute(sql.SQL("create database {} owner {}").format(role, role))
        await db.execute(sql.SQL("revoke connect, temporary on database {} from public").format(role))


async def make_virtual(database: str, start: Any) -> None:
    """Gives a migrated, still empty service database its virtual clock; leaves the one that it got from the same start.
    Raises Fault for a database that has lived another life."""
    import psycopg

    async with await _connect(database) as db:
        first = await (await db.execute("select at from chassis_clock order by real_from limit 1")).fetchone()
        try:
            if first is None:
                await db.execute("select chassis_clock_virtual(%s)", (start,))
        except psycopg.errors.RaiseException as refused:
            raise _lived(database, str(refused.diag.message_primary)) from None
        if first is not None and first[0] != start:
            raise _lived(database, f"its clock began at {first[0]}")


def _lived(database: str, why: str) -> Fault:
    name = urlsplit(database).path.strip("/")
    return Fault(
        f"The database {name} holds another deployment ({why}), and time in it cannot begin anew. Drop the databases "
        "amanah_* and the topics amanah.* of these servers, or give others."
    )


async def _connect(dsn: str) -> Any:
    import psycopg

    try:
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.Error as failure:
        words = " ".join(str(failure).split())
        raise Fault(f"PostgreSQL cannot be reached: {words}") from None
