"""Becomes another program that dies with its parent: `guard.py PARENT SIGNAL USER GROUP PROGRAM ARGUMENT…`.

Run as a file by a bare interpreter (`-I -S`), so it imports nothing of ours and costs some ten milliseconds. It exists
because code between fork and exec in a process with threads (`preexec_fn`) can deadlock. USER and GROUP are ids, or -1.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(parent: int, death_signal: int, user: int, group: int, program: list[str]) -> None:
    """Drops privileges, ties its life to the parent's and replaces itself."""
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # After setuid: a change of identity clears the setting.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("The parent ended before its child began.")
    os.execv(program[0], program)  # noqa: S606 -- becoming another program is all it does


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:5]]
    become(numbers[0], numbers[1], numbers[2], numbers[3], sys.argv[5:])
