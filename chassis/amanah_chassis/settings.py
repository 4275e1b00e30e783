"""Settings that every service has, read from the environment (`AMANAH_…`) and from files in `AMANAH_SECRETS_DIR`."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from amanah_chassis.errors import Misconfigured


class ChassisSettings(BaseSettings):
    """A secret may be given as a file: `AMANAH_SECRETS_DIR/amanah_database` holds what `AMANAH_DATABASE` would."""

    model_config = SettingsConfigDict(env_prefix="AMANAH_", extra="ignore", frozen=True)

    kafka: str
    """Bootstrap servers, `host:port,host:port`."""
    database: str
    """DSN of this service's own database."""
    pack: Path | None = None
    """Folder of the data pack."""
    http: str = "127.0.0.1:0"
    """Where health, metrics and the API listen."""
    instance: str = "0"
    """Names this process in its consumer group, so that a restart takes its partitions back without a rebalance."""
    service_token_file: Path | None = None
    """Shared secret of internal HTTP calls."""
    traces_file: Path | None = None
    """Spans as JSON lines, besides what `OTEL_EXPORTER_OTLP_ENDPOINT` says."""
    log_level: str = "INFO"
    batch_size: int = Field(default=500, ge=1)
    """Records applied in one transaction."""
    pool_size: int = Field(default=6, ge=2)
    """Database connections."""
    parked_alarm_seconds: float = 60
    """A record set aside for longer is logged and counted as overdue."""
    outbox_days: float = Field(default=400, gt=0)
    """How long events are kept after Kafka has them: as long as the topics keep them, so that these can be rebuilt."""
    dead_letter_days: float = Field(default=400, gt=0)
    """How long a dead letter is kept after it was replayed or given up; one that still waits is kept for ever."""
    prune_seconds: float = Field(default=600, gt=0)
    """How often what is past its term is looked for; see docs/retention.md."""

    @classmethod
    def load(cls) -> Self:
        """Reads the settings, or raises Misconfigured with one line a fault."""
        secrets: dict[str, Any] = {}
        if directory := os.environ.get("AMANAH_SECRETS_DIR"):
            secrets["_secrets_dir"] = directory
        try:
            return cls(**secrets)
        except ValidationError as invalid:
            faults = "; ".join(f"AMANAH_{str(e['loc'][0]).upper()}: {e['msg']}" for e in invalid.errors())
            raise Misconfigured(f"{faults}. Set it in the environment or as a file in AMANAH_SECRETS_DIR.") from None

    def listen(self) -> tuple[str, int]:
        """Host and port of the HTTP side; Misconfigured when `http` does not say them."""
        host, colon, port = self.http.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65_535:
            raise Misconfigured(f"AMANAH_HTTP: {self.http!r} is not host:port")
        return host.strip("[]") or "127.0.0.1", int(port)

    def service_token(self) -> str:
        """The shared secret of internal calls; Misconfigured when there is none."""
        if self.service_token_file is None:
            raise Misconfigured("AMANAH_SERVICE_TOKEN_FILE: name the file that holds the shared secret.")
        try:
            token = self.service_token_file.read_text().strip()
        except OSError as missing:
            raise Misconfigured(f"AMANAH_SERVICE_TOKEN_FILE: {missing}") from missing
        if not token:
            raise Misconfigured(f"AMANAH_SERVICE_TOKEN_FILE: {self.service_token_file} is empty.")
        return token
