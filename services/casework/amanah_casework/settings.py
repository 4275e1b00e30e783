"""Settings of `casework`."""

from amanah_chassis.settings import ChassisSettings


class CaseworkSettings(ChassisSettings):
    order_wait_seconds: float = 600
    """How long an order about a complaint that is not known here yet may wait for it, before it is refused."""
