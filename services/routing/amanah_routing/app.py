"""Routing as a table: what it consumes, what it produces."""

from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.service import Service
from amanah_contracts.casework import CaseActionWithdrawn, CaseDeclined
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.registry import REGISTRY
from amanah_contracts.routing import ComplaintRouted, TriageRequested
from amanah_routing.api import make_api
from amanah_routing.handlers import Desk, on_case_action_withdrawn, on_case_declined, on_complaint_submitted
from amanah_routing.pack import load_agencies, load_rules
from amanah_routing.settings import RoutingSettings

CONSUMES: dict[type[Event], Handler] = {
    ComplaintSubmitted: on_complaint_submitted,
    CaseDeclined: on_case_declined,
    CaseActionWithdrawn: on_case_action_withdrawn,
}
PRODUCES: frozenset[type[Event]] = frozenset({ComplaintRouted, TriageRequested})


async def make_context(chassis: Chassis) -> Desk:
    agencies = load_agencies(chassis.settings.pack)
    return Desk.of(agencies, load_rules(chassis.settings.pack, agencies))


SERVICE = Service(
    name="routing",
    package="amanah_routing",
    settings=RoutingSettings,
    make_context=make_context,
    consumes=CONSUMES,
    produces=PRODUCES,
    registry=REGISTRY,
    http=make_api,
)
