"""Settings of `routing`."""

from pathlib import Path

from amanah_chassis.settings import ChassisSettings


class RoutingSettings(ChassisSettings):
    pack: Path
    """Its `agencies.yaml` and `routing.yaml` are read at start."""
