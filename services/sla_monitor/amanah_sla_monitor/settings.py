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
    reconcile_seconds: Annotated[float, Field(gt=0)] = 300
    """Between two looks of the second pair of eyes, in real time."""
    reconcile_patrol: Annotated[int, Field(ge=0)] = 5000
    """Case files recounted at each look whatever is said of them, in turn."""
