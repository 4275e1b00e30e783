"""The law: all that a pack says of deadlines."""

from dataclasses import dataclass

from amanah_sla_monitor.domain.calendars import Calendars
from amanah_sla_monitor.domain.offices import NO_OFFICES, Offices
from amanah_sla_monitor.domain.rules import Rules


@dataclass(frozen=True, slots=True)
class Law:
    """Rules, the calendars they count by, and the offices that escalation calls upon."""

    pack: str
    rules: Rules
    calendars: Calendars
    offices: Offices = NO_OFFICES
