"""Passwords and keys of a stack: made once, one file each, readable by its owner only."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path


class Secrets:
    """Files in one directory (0700), each 0600."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)

    def password(self, name: str) -> str:
        """A password, the same at each start."""
        return self._file(f"{name}.password", lambda: secrets.token_urlsafe(24)).read_text().strip()

    def key(self) -> Path:
        """32 random bytes as base64."""
        return self._file("intake.key", lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def token(self) -> Path:
        """The shared secret of internal calls."""
        return self._file("service.token", lambda: secrets.token_urlsafe(32))

    def webhook(self) -> Path:
        """A signing secret in the form of Standard Webhooks."""
        return self._file("webhook.secret", lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())

    def _file(self, name: str, make: Callable[[], str]) -> Path:
        path = self._directory / name
        if not path.exists():
            half = path.with_suffix(".half")
            half.unlink(missing_ok=True)
            with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            half.rename(path)
        return path
