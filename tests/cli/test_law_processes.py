"""The processes that share a walk through all complaints."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ASKER = """
import multiprocessing
import os
import time

from amanah.law import processes


def work() -> None:
    print(os.getpid(), flush=True)
    while multiprocessing.parent_process().is_alive():
        time.sleep(0.05)


if __name__ == "__main__":
    processes.prepare()
    process = processes.FORKED.Process(target=work, daemon=True)
    process.start()
    process.join()
"""


def test_they_learn_that_whoever_asked_is_gone(tmp_path: Path) -> None:
    script = tmp_path / "asker.py"
    script.write_text(ASKER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        worker = int(asker.stdout.readline())
        assert psutil.pid_exists(worker)
        os.kill(asker.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while psutil.pid_exists(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(worker)


def test_they_are_forks_of_one_that_has_read_the_walk() -> None:
    look = "'amanah.law.walk' in __import__('sys').modules"
    asks = f"from amanah.law.processes import FORKED\nwith FORKED.Pool(1) as pool: print(pool.apply(eval, ({look!r},)))"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
