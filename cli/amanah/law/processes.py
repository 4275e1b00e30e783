"""Processes that share a walk: forks of a server that has read all modules once, for it takes half a second."""

import multiprocessing
import os
from multiprocessing import forkserver

MOST = 4
"""Each has two connections: more would crowd out the monitors."""
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["amanah.law.walk"])


def count() -> int:
    """How many there should be at most."""
    return min(MOST, os.cpu_count() or 1)


def prepare() -> None:
    """Call it first of all: the server reads the modules while we read them too."""
    if count() > 1:
        forkserver.ensure_running()
