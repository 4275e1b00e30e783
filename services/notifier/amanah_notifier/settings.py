"""Settings of the notifier."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from amanah_chassis.errors import Misconfigured
from amanah_chassis.settings import ChassisSettings


class NotifierSettings(ChassisSettings):
    """Beside those of every service."""

    http: str = "127.0.0.1:8105"
    intake_url: str
    """Where a citizen's contact is asked for."""
    sink_url: str | None = None
    """Fills `${AMANAH_SINK_URL}` in the pack's `recipients.yaml`."""

    webhook_secret_file: Path
    """Signing secret of Standard Webhooks, `whsec_…`."""
    webhook_allow_local: bool = False
    """Allows plain http and addresses that are not global. Only for an embedded stack and for tests."""

    smtp: str
    """The relay, `host:port`."""
    smtp_tls: Literal["never", "if_offered", "required", "from_start"] = "if_offered"
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    mail_from: str = "Amanah <amanah@amanah.invalid>"

    retry_seconds: tuple[float, ...] = Field(default=(0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000), min_length=1)
    """The published schedule: real seconds before each attempt, counted from the failure of the one before it."""
    send_timeout_seconds: float = Field(default=10, gt=0)
    concurrency: int = Field(default=80, ge=1)
    """Notices being sent at once."""
    lane_concurrency: int = Field(default=16, ge=1)
    """Of them, to one webhook host, so that one slow recipient cannot hold up the rest."""
    mail_concurrency: int = Field(default=40, ge=1)
    """Of them, to the mail relay. Most notices are mail, and a mail takes five round trips; Postfix admits 50 connections of
    one client if it is told nothing else."""
    lease_seconds: float = Field(default=60, gt=0)
    """How long a notice rests when the process that was sending it is lost; more than twice the timeout."""
    delivery_days: float = Field(default=400, gt=0)
    """How long the notices of a complaint are kept after the last of them was settled, in real time like all sending."""

    def webhook_secret(self) -> str:
        return _read(self.webhook_secret_file, "AMANAH_WEBHOOK_SECRET_FILE")

    def smtp_password(self) -> str | None:
        return _read(self.smtp_password_file, "AMANAH_SMTP_PASSWORD_FILE") if self.smtp_password_file else None

    def relay(self) -> tuple[str, int]:
        host, _, port = self.smtp.rpartition(":")
        if not host or not port.isdigit():
            raise Misconfigured(f"AMANAH_SMTP: {self.smtp!r} is not host:port")
        return host, int(port)

    def pack_folder(self) -> Path:
        if self.pack is None:
            raise Misconfigured("AMANAH_PACK: name the folder of the data pack.")
        return self.pack


def _read(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as missing:
        raise Misconfigured(f"{variable}: {missing}") from missing
