"""Intake as a table: what it consumes and produces."""

import asyncio
from datetime import timedelta

from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.errors import TRANSIENT, Misconfigured
from amanah_chassis.logs import logger
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
from amanah_contracts.routing import ComplaintRouted, TriageRequested
from amanah_contracts.sla_monitor import (
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineMet,
    DeadlinePaused,
    DeadlineRecalculated,
    DeadlineResumed,
    DeadlineStarted,
)
from amanah_intake import handlers, pack, store
from amanah_intake.api import make_api
from amanah_intake.filing import Intake
from amanah_intake.settings import IntakeSettings
from amanah_intake.vault import Unreadable, Vault

CONSUMES: dict[type[Event], Handler] = {
    ComplaintRouted: handlers.on_complaint_routed,
    TriageRequested: handlers.on_triage_requested,
    CaseAcknowledged: handlers.on_case_acknowledged,
    CaseInformationRequested: handlers.on_case_information_requested,
    CaseInformationReceived: handlers.on_case_information_received,
    CaseExtended: handlers.on_case_extended,
    CaseReplied: handlers.on_case_replied,
    CaseResolved: handlers.on_case_resolved,
    CaseDeclined: handlers.on_case_declined,
    CaseActionWithdrawn: handlers.on_case_action_withdrawn,
    DeadlineStarted: handlers.on_deadline_started,
    DeadlinePaused: handlers.on_deadline_paused,
    DeadlineResumed: handlers.on_deadline_resumed,
    DeadlineRecalculated: handlers.on_deadline_recalculated,
    DeadlineMet: handlers.on_deadline_met,
    DeadlineBreached: handlers.on_deadline_breached,
    DeadlineBreachWithdrawn: handlers.on_deadline_breach_withdrawn,
    DeadlineCancelled: handlers.on_deadline_cancelled,
}
PRODUCES: frozenset[type[Event]] = frozenset({ComplaintSubmitted})
log = logger(__name__)


async def make_context(chassis: Chassis) -> Intake:
    """Raises Misconfigured when there is no sound key, or one that this database was not sealed with."""
    settings: IntakeSettings = chassis.settings
    vault = Vault.from_file(settings.key_file)
    if sample := await store.any_wrapped_key(chassis.pool):
        try:
            vault.unwrap(*sample)
        except Unreadable:
            raise Misconfigured(
                f"AMANAH_KEY_FILE: {settings.key_file} is not the key that this database was sealed with."
                " Bring the right one back; a new one would lock everybody's identity away."
            ) from None
    return Intake(vault, pack.load(settings.pack))


async def forget_old_keys(_: Intake, chassis: Chassis) -> None:
    """Forgets idempotency keys past the published term; waits out a database that is away."""
    settings: IntakeSettings = chassis.settings
    term = timedelta(days=settings.idempotency_days)
    while True:
        try:
            while await store.forget_keys(chassis.pool, term, at_most=5000) == 5000:
                await asyncio.sleep(0.05)
        except TRANSIENT as error:
            log.warning("forgetting keys waits", extra={"error": type(error).__name__})
        await asyncio.sleep(settings.idempotency_prune_seconds)


SERVICE = Service(
    name="intake",
    package="amanah_intake",
    settings=IntakeSettings,
    make_context=make_context,
    consumes=CONSUMES,
    produces=PRODUCES,
    registry=REGISTRY,
    http=make_api,
    background=(forget_old_keys,),
)
