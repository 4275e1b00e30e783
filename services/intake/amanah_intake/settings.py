"""Settings of `intake`."""

from pathlib import Path

from pydantic import Field

from amanah_chassis.settings import ChassisSettings


class IntakeSettings(ChassisSettings):
    key_file: Path | None = None
    """File with the key that wraps every complaint's data key: 32 bytes in base64, mode 0600."""
    idempotency_days: float = Field(default=7, gt=0, le=366)
    """How long the same `Idempotency-Key` is sure to bring the same answer. Published: see the service's README."""
    idempotency_prune_seconds: float = Field(default=600, gt=0)
    """How often keys past that term are forgotten."""
