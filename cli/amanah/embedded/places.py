"""Directories that another user must be able to reach: PostgreSQL refuses to run as root, so there it gets a user."""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from amanah.fault import Fault

ACCOUNT = "embedded_postgres"
STAND_INS = Path("/var/tmp")  # noqa: S108 -- each is checked for its owner and closed to others
SOCKET_PATH_LIMIT = 103
"""Bytes. The smallest limit of the systems we know (macOS: 104 with the closing zero; Linux: 108)."""


def account() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: ourselves (None), or under root a user of its own, made when it is missing."""
    if os.geteuid() != 0:
        return None
    for name in (ACCOUNT, None, ACCOUNT, "nobody"):
        if name is None:
            _make_account()
            continue
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Fault("PostgreSQL does not run as root, and no other user could be made. Run this as an ordinary user.")


def _make_account() -> None:
    if adduser := shutil.which("useradd"):
        arguments = ["--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT]
        subprocess.run([adduser, *arguments], check=False, capture_output=True)


def reachable(path: Path, who: pwd.struct_passwd | None) -> bool:
    """Whether that user can pass through every directory above `path`."""
    if who is None:
        return True
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def readable(program: Path, who: pwd.struct_passwd | None) -> bool:
    """Whether that user can run a program where it is."""
    return who is None or (reachable(program, who) and bool(program.stat().st_mode & stat.S_IXOTH))


def own(path: Path, who: pwd.struct_passwd | None) -> Path:
    """Makes a directory that only this user can enter; refuses one that somebody else put there."""
    owner = who.pw_uid if who else os.geteuid()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise Fault(f"{path} belongs to somebody else. Remove it, or give another data directory with --data.")
    if who:
        os.chown(path, who.pw_uid, who.pw_gid)
    path.chmod(0o700)
    return path


def data(wanted: Path, who: pwd.struct_passwd | None) -> Path:
    """The wanted directory, or a stand-in under /var/tmp if the user of PostgreSQL could not get to it."""
    if reachable(wanted, who):
        return own(wanted, who)
    _sweep()
    home = own(STAND_INS / f"amanah-{_mark(wanted)}", who)
    (home / "stands-for").write_text(str(wanted))
    return home


def _sweep() -> None:
    """Removes what stood in for a temporary directory that is gone, as a test's is; nobody else would. Only for those: a
    directory elsewhere may be on a disk that is not mounted just now."""
    for mark in STAND_INS.glob("amanah-*/stands-for"):
        status = mark.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            continue
        wanted = Path(mark.read_text())
        runs = (mark.parent / "cluster" / "postmaster.pid").exists()
        if wanted.is_relative_to(tempfile.gettempdir()) and not wanted.exists() and not runs:
            shutil.rmtree(mark.parent, ignore_errors=True)


def socket(home: Path, who: pwd.struct_passwd | None) -> Path:
    """Where the Unix socket goes: beside the data, unless the path is too long for a socket or would read as a list."""
    place = home / "socket"
    if len(os.fsencode(place / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT or "," in str(place):
        place = Path(tempfile.gettempdir()) / f"amanah-{_mark(home)}"
    return own(place, who)


def _mark(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
