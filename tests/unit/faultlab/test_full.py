"""The library that fills a disk refuses what would need space, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amanah.faultlab.faults import disks

SHORT = 10
"""Bytes that the file has when the disk becomes full."""
TRIES = """
import os, sys
flag = os.environ["FAULT_LAB_FULL"]
file = os.open(sys.argv[1], os.O_RDWR)
added = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
pipe = os.pipe()[1]
calls = {
    "write": lambda at: (os.lseek(file, at, os.SEEK_SET), os.write(file, b"ab")),
    "writev": lambda at: (os.lseek(file, at, os.SEEK_SET), os.writev(file, [b"a", b"b"])),
    "pwrite": lambda at: os.pwrite(file, b"ab", at),
    "pwritev": lambda at: os.pwritev(file, [b"a", b"b"], at),
    "fallocate": lambda at: os.posix_fallocate(file, at, 2),
    "ftruncate": lambda at: os.ftruncate(file, at + 2),
    "append": lambda at: os.write(added, b"ab"),
    "pipe": lambda at: os.write(pipe, b"ab"),
}
def outcome(call, at):
    try:
        calls[call](at)
    except OSError as refused:
        return refused.errno
    return 0
open(flag, "w").close()
for call in calls:
    print(call, *(outcome(call, at) for at in (8, 9)), os.fstat(file).st_size)
os.unlink(flag)
print("space", outcome("append", 0), os.fstat(file).st_size)
"""
ENOSPC = 28


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_while_the_flag_is_there_no_file_grows_and_what_is_there_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"." * SHORT)
    with disks._disks() as servers:
        done = subprocess.run(
            [sys.executable, "-c", TRIES, str(file)],
            env=os.environ | servers["postgres"], capture_output=True, text=True, check=True,
        )  # fmt: skip
    full = [f"{call} 0 {ENOSPC} {SHORT}" for call in ("write", "writev", "pwrite", "pwritev", "fallocate", "ftruncate")]
    rest = [f"append {ENOSPC} {ENOSPC} {SHORT}", f"pipe 0 0 {SHORT}", f"space 0 {SHORT + 2}"]
    assert done.stdout.splitlines() == [*full, *rest]


def test_each_server_has_a_disk_of_its_own_that_any_account_can_read_and_nothing_stays() -> None:
    with disks._disks() as servers:
        flags = [Path(servers[part][disks.FLAG]) for part in disks.SERVERS]
        [folder] = {flag.parent for flag in flags}
        assert len(set(flags)) == len(flags)
        assert not any(flag.exists() for flag in flags)
        assert folder.stat().st_mode & 0o777 == 0o755
    assert not folder.exists()


def test_without_a_compiler_no_disk_is_ever_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with disks._disks() as servers:
        assert all(set(told) == {disks.FLAG} for told in servers.values())
