"""Filings over HTTP, each committed durably before its 201: per second, with 1, 8 and 32 clients that file without a pause.

Ours is intake as it runs on the stack: the form checked, keys remembered, identity and narrative sealed, the event in the
outbox and, meanwhile, sent to Kafka. The bare endpoint (`intake_bare.py`) runs on the same HTTP server and checks the same
fields, commits one INSERT and promises nothing. The load generator (`http_load.py`) is a process of its own on the same
cores; `generator_share` says what it took of one, `generator_most` what it could send at most with a whole one.

Afterwards the complaints in the database are counted: each 201 must be one, no more and no less.
"""

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import psutil

from amanah.bench.http_load import Seen
from amanah.bench.intake_bare import TABLE
from amanah.bench.lines import Line, line, load
from amanah.bench.processes import answer_of, connected, cpu, free_port, memory, python, running, until_ready
from amanah.embedded.stack import Stack
from amanah.progress import Progress

CLIENTS = (1, 8, 32)
PEER = {1: 25, 8: 35, 32: 36}
"""Filings per second of Signalen, a Django application for the same purpose, on two cores with its load generator: measured
once, not in this run."""


@dataclass(frozen=True, slots=True)
class Round:
    """What the generator saw; seconds on a core of the process that it filed with, and of PostgreSQL where it is ours."""

    seen: Seen
    cpu: float
    postgres: float | None

    def each_us(self, seconds: float) -> float:
        """Microseconds for each filing, those of the warm-up included."""
        return seconds / (self.seen.filings + self.seen.warm_up) * 1e6


async def intake(stack: Stack, seconds: float, rounds: int, progress: Progress) -> AsyncIterator[Line]:
    """A line for each number of clients."""
    began_with = load()
    database, port = await stack.create_database("bench_intake"), free_port()
    async with connected(database) as db:
        await db.execute(TABLE)
    told = os.environ | {"AMANAH_DATABASE": database, "AMANAH_HTTP": f"127.0.0.1:{port}"}
    service = psutil.Process(stack.pid("intake"))
    filed: tuple[list[Round], list[Round]] = [], []
    async with running(stack, "bare", python("amanah.bench.intake_bare"), told) as endpoint:
        await until_ready(stack, "bare", port)
        for clients in CLIENTS:
            ours, bare = [], []
            for number in range(rounds):
                progress.step(f"Round {number + 1} of {rounds}: {clients} clients file for {seconds:g} s")
                ours.append(await _round(stack, stack.ports["intake"], clients, seconds, service))
                progress.step(f"Round {number + 1} of {rounds}: the bare endpoint")
                bare.append(await _round(stack, port, clients, seconds, endpoint))
            filed[0].extend(ours)
            filed[1].extend(bare)
            await _account(stack.dsn("intake"), "intake_complaint", filed[0])
            await _account(database, "bare_complaint", filed[1])
            yield intake_line(clients, ours, bare, memory([service])[0], began_with)


async def _round(stack: Stack, port: int, clients: int, seconds: float, server: psutil.Process) -> Round:
    database = _postgres(stack)
    with cpu([server]) as used, cpu(database, below=True) as used_by_postgres:
        found = await answer_of(python("amanah.bench.http_load", port, clients, seconds))
    return Round(Seen(**found), used.seconds, used_by_postgres.seconds if database else None)


def _postgres(stack: Stack) -> list[psutil.Process]:
    try:
        return [psutil.Process(stack.pid("postgres"))]
    except KeyError:
        return []


async def _account(dsn: str, table: str, rounds: Sequence[Round]) -> None:
    expected = sum(one.seen.filings + one.seen.warm_up for one in rounds)
    async with connected(dsn) as db:
        found = await db.fetchval(f"select count(*) from {table}")  # noqa: S608 - one of two names
    if found != expected:
        raise AssertionError(f"{found} rows in {table} of {expected} filings that were answered with 201")


def intake_line(clients: int, ours: Sequence[Round], bare: Sequence[Round], rss_mb: float, began_with: float) -> Line:
    """Rates by the rounds in turn; times are medians of the rounds."""
    used = [one.seen.cpu_seconds / one.seen.seconds for one in ours]
    most = [one.seen.filings / one.seen.cpu_seconds for one in ours]
    found = line(
        "intake",
        "filings/s",
        [one.seen.rate for one in ours],
        [one.seen.rate for one in bare],
        clients=clients,
        p50_ms=_middle([one.seen.p50_ms for one in ours]),
        p99_ms=_middle([one.seen.p99_ms for one in ours]),
        bare_p50_ms=_middle([one.seen.p50_ms for one in bare]),
        bare_p99_ms=_middle([one.seen.p99_ms for one in bare]),
        cpu_us=_used(ours),
        bare_cpu_us=_used(bare),
        generator_share=_middle(used),
        generator_most=round(median(most)),
        peer=PEER[clients],
        peer_ratio=round(median(one.seen.rate for one in ours) / PEER[clients], 1),
        rss_mb=round(rss_mb, 1),
        load=began_with,
    )
    return replace(found, about=f"{clients} clients")


def _used(rounds: Sequence[Round]) -> dict[str, int]:
    """Microseconds on a core for each filing. A busy machine changes this far less than it does seconds."""
    found = {"endpoint": round(median(one.each_us(one.cpu) for one in rounds))}
    servers = [one.each_us(one.postgres) for one in rounds if one.postgres is not None]
    return found | ({"postgres": round(median(servers))} if servers else {})


def _middle(values: Sequence[float]) -> float:
    return round(median(values), 2)
