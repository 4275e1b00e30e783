"""Garbage is found, also what was still in use when it was last looked for."""

import gc
import os
import platform
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_chassis import garbage


class Ring:
    """Refers to itself, so that only the collector can end it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def by_hand() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def grown_old() -> "weakref.ref[Ring]":
    """One that was in use at two sweeps and is not any more."""
    ring = Ring()
    for second in (1, 2):
        garbage.sweep(second)
    return weakref.ref(ring)


def test_what_is_young_goes_within_a_second() -> None:
    gone = weakref.ref(Ring())
    assert gone() is not None
    garbage.sweep(1)
    assert gone() is None


def test_what_has_grown_old_goes_within_a_minute() -> None:
    gone = grown_old()
    for second in range(3, 60):
        garbage.sweep(second)
    assert gone() is not None
    garbage.sweep(60)
    assert gone() is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_what_is_free_goes_back_to_the_machine() -> None:
    """A great many small blocks, freed but for some that lie above them, as the ends of many requests do."""
    blocks = [bytes(4000) for _ in range(20_000)]
    kept = blocks[:: len(blocks) // 10]
    del blocks
    before = resident_mb()
    garbage.give_back()
    assert before - resident_mb() > 30
    assert len(kept) == 10


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
