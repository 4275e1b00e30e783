"""Settings of `sla_monitor`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from amanah_chassis.settings import ChassisSettings


class SlaMonitorSettings(ChassisSettings):
    pack: Path
    """Its `rules.yaml` and `calendars.yaml` are read at start."""
    ticker_batch: Annotated[int, Field(ge=1, le=20_000)] = 2000
    """Deadlines fired in one transaction."""
