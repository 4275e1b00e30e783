"""No space left: for PostgreSQL, and then for Kafka."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, time
from typing import Any

from amanah.faultlab import hands, preload
from amanah.faultlab.faults.servers import AVAILABLE
from amanah.faultlab.lab import Figures, Lab, Nemesis, Proof, Traces

FULL = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#define BEHIND(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define HERE (-1)
static char *flag;
__attribute__((constructor)) static void told(void) {
    const char *path = getenv("FAULT_LAB_FULL");
    flag = path ? strdup(path) : NULL; /* a server may write its title over its environment */
}
static int would_grow(int file, off_t at, size_t bytes) {
    struct stat it;
    if (fstat(file, &it) != 0 || !S_ISREG(it.st_mode)) return 0;
    if (at == HERE) at = fcntl(file, F_GETFL) & O_APPEND ? it.st_size : lseek(file, 0, SEEK_CUR);
    return at + (off_t)bytes > it.st_size;
}
static int refused(int file, off_t at, size_t bytes) {
    int before = errno;
    int no = flag && file > 2 && access(flag, F_OK) == 0 && would_grow(file, at, bytes);
    errno = no ? ENOSPC : before;
    return no;
}
static size_t all(const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int n = 0; n < count; n++) bytes += parts[n].iov_len;
    return bytes;
}
ssize_t write(int file, const void *from, size_t bytes) {
    return refused(file, HERE, bytes) ? -1 : BEHIND(write)(file, from, bytes);
}
ssize_t pwrite(int file, const void *from, size_t bytes, off_t at) {
    return refused(file, at, bytes) ? -1 : BEHIND(pwrite)(file, from, bytes, at);
}
ssize_t pwrite64(int file, const void *from, size_t bytes, off64_t at) {
    return refused(file, at, bytes) ? -1 : BEHIND(pwrite64)(file, from, bytes, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return refused(file, HERE, all(parts, count)) ? -1 : BEHIND(writev)(file, parts, count);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    return refused(file, at, all(parts, count)) ? -1 : BEHIND(pwritev)(file, parts, count, at);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    return refused(file, at, all(parts, count)) ? -1 : BEHIND(pwritev64)(file, parts, count, at);
}
ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t at, int how) {
    return refused(file, at, all(parts, count)) ? -1 : BEHIND(pwritev2)(file, parts, count, at, how);
}
ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off64_t at, int how) {
    return refused(file, at, all(parts, count)) ? -1 : BEHIND(pwritev64v2)(file, parts, count, at, how);
}
int ftruncate(int file, off_t length) {
    return refused(file, length, 0) ? -1 : BEHIND(ftruncate)(file, length);
}
int ftruncate64(int file, off64_t length) {
    return refused(file, length, 0) ? -1 : BEHIND(ftruncate64)(file, length);
}
int fallocate(int file, int how, off_t at, off_t bytes) {
    return refused(file, at, bytes) ? -1 : BEHIND(fallocate)(file, how, at, bytes);
}
int fallocate64(int file, int how, off64_t at, off64_t bytes) {
    return refused(file, at, bytes) ? -1 : BEHIND(fallocate64)(file, how, at, bytes);
}
int posix_fallocate(int file, off_t at, off_t bytes) {
    return refused(file, at, bytes) ? ENOSPC : BEHIND(posix_fallocate)(file, at, bytes);
}
int posix_fallocate64(int file, off64_t at, off64_t bytes) {
    return refused(file, at, bytes) ? ENOSPC : BEHIND(posix_fallocate64)(file, at, bytes);
}
"""
"""A full disk, put before the C library of a server: while a file of the name in FAULT_LAB_FULL is there, no regular file
becomes longer. What a file has already is written over, as on a disk that is full; pipes, sockets and the log go on."""
SERVERS = ("postgres", "kafka")
FLAG = "FAULT_LAB_FULL"
FULL_SECONDS = 10.0
RUSH = {"postgres": 10, "kafka": 0}
"""Complaints a second beside the steady rate. PostgreSQL's tables have space left in them, which is soon used up; Kafka only
ever appends."""
WORDS = "No space left on device"


@contextmanager
def _disks() -> Iterator[Mapping[str, Mapping[str, str]]]:
    """The servers' disks, each with a flag of its own. They lie where PostgreSQL's account can read, wherever a run's data
    is. Without a C compiler nothing will ever be full."""
    folder = Path(tempfile.mkdtemp(prefix="amanah-full-"))
    try:
        folder.chmod(0o755)
        library = preload.compiled(FULL, folder / "full.so")
        preloaded = {"LD_PRELOAD": str(library)} if library else {}
        yield {part: preloaded | {FLAG: str(folder / part)} for part in SERVERS}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _full_disks(lab: Lab) -> Figures:
    """One after the other: a full disk under load, then space again, and nobody who repairs anything."""
    segment_ends = asyncio.create_task(_end_a_segment(lab, FULL_SECONDS * lab.chance.uniform(0.3, 0.6)))
    figures = {"postgres": await _full(lab, "postgres")}
    await segment_ends
    return figures | {"kafka": await _full(lab, "kafka")}


async def _end_a_segment(lab: Lab, after: float) -> None:
    """PostgreSQL writes its log on into the file that it has, until that one is full, which a longer time would bring: it
    then stops, and cannot start again before there is space."""
    import asyncpg

    await asyncio.sleep(after)
    with suppress(
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
    ):  # it stops in the midst of this
        db = await asyncpg.connect(lab.stack.admin_dsn(), timeout=5)
        try:
            await db.execute("select pg_switch_wal()")
        finally:
            await db.close(timeout=2)


async def _full(lab: Lab, part: str) -> dict[str, Any]:
    flag, start = Path(lab.stack.options.servers[part][FLAG]), time()
    restarts = lab.stack.restarts(part)
    flag.touch()
    try:
        until = monotonic() + FULL_SECONDS
        while monotonic() < until:
            lab.load.burst(RUSH[part])
            await asyncio.sleep(1)
    finally:
        flag.unlink()
    freed, end = monotonic(), time()
    for again in (part, *lab.stack.options.services):
        await hands.serving(lab.stack, again)
    served = round(monotonic() - freed, 1)
    return {"start": start, "end": end, "served_seconds": served, "restarts": lab.stack.restarts(part) - restarts}


def _refused_in_order(traces: Traces) -> Proof:
    """The servers' own logs say that they were refused. Citizens were asked to come again while PostgreSQL had no space,
    were served while Kafka had none, and were never told of a fault of ours."""
    said = {
        part: sum(text.count(WORDS) for name, text in traces.found.logs.items() if name.startswith(f"{part}.log"))
        for part in SERVERS
    }
    told = {part: _told(traces, part) for part in SERVERS}
    words = "; ".join(
        f"{part} said {said[part]} times that no space is left, ended {figures['restarts']} times and all served"
        f" {figures['served_seconds']} s after there was; filings meanwhile: {_counted(told[part])}"
        for part, figures in ((part, traces.figures[part]) for part in SERVERS)
    )
    unmet = []
    if faults := sum(op.value.get("status") == 500 for op in traces.history if op.f == "file"):
        unmet.append(f"{faults} filings were answered 500")
    if told["kafka"][201] < AVAILABLE * told["kafka"].total():
        unmet.append("fewer than 99.9 % were taken while Kafka's disk was full")
    return Proof(all(said.values()) and told["postgres"][503] > 0, words, tuple(unmet))


def _told(traces: Traces, part: str) -> Counter[int | None]:
    """What filings were answered, by status, while a server's disk was full."""
    start, end = traces.figures[part]["start"], traces.figures[part]["end"]
    ended = [op for op in traces.history if op.f == "file" and op.type != "invoke" and start < op.wall < end]
    return Counter(op.value.get("status") for op in ended)


def _counted(statuses: Counter[int | None]) -> str:
    return ", ".join(f"{status or 'no answer'} {count}" for status, count in statuses.most_common()) or "none"


FAULTS = (
    Nemesis(
        id="F12",
        title="no space left on the disks of PostgreSQL and of Kafka",
        does=f"PostgreSQL, then Kafka, can make no file longer for {FULL_SECONDS:.0f} s under load (a preloaded library).",
        proven_by="ENOSPC in both servers' own logs, and filings answered 503; none may be answered 500",
        strike=_full_disks,
        proof=_refused_in_order,
        servers=_disks,
    ),
)
