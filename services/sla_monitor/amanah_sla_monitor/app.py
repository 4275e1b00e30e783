"""The SLA monitor as a table: what it consumes, what it produces."""

from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.database import connection
from amanah_chassis.retention import Rule
from amanah_chassis.service import Service
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.registry import REGISTRY
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import (
    DeadlineAtRisk,
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineMet,
    DeadlinePaused,
    DeadlineRecalculated,
    DeadlineResumed,
    DeadlineStarted,
    EscalationImpossible,
    EscalationRaised,
    OversightGap,
)
from amanah_sla_monitor.api import make_api
from amanah_sla_monitor.handlers import (
    on_case_acknowledged,
    on_case_action_withdrawn,
    on_case_declined,
    on_case_extended,
    on_case_information_received,
    on_case_information_requested,
    on_case_replied,
    on_case_resolved,
    on_complaint_routed,
    on_complaint_submitted,
)
from amanah_sla_monitor.monitor import Monitor, begin, run_catching_up, run_law
from amanah_sla_monitor.pack import load_law
from amanah_sla_monitor.reconciler.store import REMEMBERED, forget_tickers
from amanah_sla_monitor.reconciler.watch import run_heartbeat, run_reconciler
from amanah_sla_monitor.settings import SlaMonitorSettings
from amanah_sla_monitor.ticker import run_ticker

CONSUMES: dict[type[Event], Handler] = {
    ComplaintSubmitted: on_complaint_submitted,
    ComplaintRouted: on_complaint_routed,
    CaseAcknowledged: on_case_acknowledged,
    CaseReplied: on_case_replied,
    CaseResolved: on_case_resolved,
    CaseDeclined: on_case_declined,
    CaseInformationRequested: on_case_information_requested,
    CaseInformationReceived: on_case_information_received,
    CaseExtended: on_case_extended,
    CaseActionWithdrawn: on_case_action_withdrawn,
}
PRODUCES: frozenset[type[Event]] = frozenset(
    {
        DeadlineStarted,
        DeadlinePaused,
        DeadlineResumed,
        DeadlineAtRisk,
        DeadlineRecalculated,
        DeadlineMet,
        DeadlineBreached,
        DeadlineBreachWithdrawn,
        DeadlineCancelled,
        EscalationRaised,
        EscalationImpossible,
        OversightGap,
    }
)


async def make_context(chassis: Chassis) -> Monitor:
    pack = chassis.settings.pack
    monitor = Monitor(load_law(pack), lambda: load_law(pack))
    async with connection(chassis.pool) as db:
        await begin(db, monitor, pack)
    return monitor


async def catch_up(monitor: Monitor, chassis: Chassis) -> None:
    await run_catching_up(monitor, chassis, SERVICE.topics())


SERVICE = Service(
    name="sla_monitor",
    package="amanah_sla_monitor",
    settings=SlaMonitorSettings,
    make_context=make_context,
    consumes=CONSUMES,
    produces=PRODUCES,
    registry=REGISTRY,
    http=make_api,
    background=(catch_up, run_ticker, run_law, run_heartbeat, run_reconciler),
    forgets=lambda _: (Rule("heartbeat", REMEMBERED, forget_tickers),),
)
