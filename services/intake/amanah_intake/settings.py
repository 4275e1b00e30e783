"""Settings of `intake`."""

from pathlib import Path

from pydantic import Field

from amanah_chassis.settings import ChassisSettings


class IntakeSettings(ChassisSettings):
    key_file: Path | None = None
    """File with the key that wraps every complaint's data key: 32 bytes in base64, mode 0600."""
    filings_at_once: int = Field(default=256, ge=1)
    """How many filings may be under way. Whoever comes then is answered 429 at once, for a queue that nobody sees the end of
    costs memory and keeps everybody waiting."""
    idempotency_days: float = Field(default=7, gt=0, le=366)
    """How long the same `Idempotency-Key` is sure to bring the same answer. Published: see the service's README."""
    idempotency_prune_seconds: float = Field(default=600, gt=0)
    """How often keys past that term are forgotten."""
