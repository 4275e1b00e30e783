"""What holds for all tests: where compiled Python is kept, and how hard properties are tried."""

import gc
import os
import signal
import sys

from amanah import project

# Told to write no bytecode, Python compiles everything anew in each process that the tests start; as in ./amanah, it is kept
# apart from the sources instead. First of all, so that whatever is imported from here on is.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    kept = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(project.cache() / "bytecode"))
    sys.dont_write_bytecode, sys.pycache_prefix = False, kept

from hypothesis import settings

# A job in the background is often told to ignore interrupts, and hands that down to whatever it starts; tests start commands
# to see how an interrupt ends them. What is handled here is not ignored there.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, lambda *_: None)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# A run between two edits tries each property a few dozen times, every run others; a build machine, which has the time, many
# more (`HYPOTHESIS_PROFILE=thorough`). No deadline: it would measure whoever else works on this machine.
settings.register_profile("ordinary", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not walk it again and again."""
    gc.freeze()
