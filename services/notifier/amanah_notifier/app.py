"""Wiring: what the notifier consumes, produces and runs."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.errors import Misconfigured
from amanah_chassis.retention import Rule
from amanah_chassis.service import Service
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseExtended,
    CaseInformationRequested,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.envelope import Event
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.notifier import NoticeFailed, NoticeSent
from amanah_contracts.registry import REGISTRY
from amanah_contracts.routing import ComplaintRouted
from amanah_contracts.sla_monitor import (
    DeadlineAtRisk,
    DeadlineBreached,
    DeadlineBreachWithdrawn,
    DeadlineCancelled,
    DeadlineMet,
    DeadlineRecalculated,
    EscalationImpossible,
    EscalationRaised,
)
from amanah_notifier import delivery, endings, handlers, recipients, store, words
from amanah_notifier.contact import Contacts
from amanah_notifier.domain import Channel
from amanah_notifier.handlers import Context
from amanah_notifier.mail import MailSender
from amanah_notifier.settings import NotifierSettings
from amanah_notifier.webhook import WebhookSender

CONSUMES: Mapping[type[Event], Handler] = {
    ComplaintSubmitted: handlers.on_complaint_submitted,
    ComplaintRouted: handlers.on_complaint_routed,
    CaseAcknowledged: handlers.on_case_acknowledged,
    CaseInformationRequested: handlers.on_case_information_requested,
    CaseExtended: handlers.on_case_extended,
    CaseReplied: handlers.on_case_replied,
    CaseResolved: handlers.on_case_resolved,
    CaseDeclined: handlers.on_case_declined,
    CaseActionWithdrawn: handlers.on_case_action_withdrawn,
    DeadlineAtRisk: handlers.on_deadline_at_risk,
    DeadlineRecalculated: handlers.on_deadline_recalculated,
    DeadlineMet: handlers.on_deadline_met,
    DeadlineBreached: handlers.on_deadline_breached,
    DeadlineBreachWithdrawn: handlers.on_deadline_breach_withdrawn,
    DeadlineCancelled: handlers.on_deadline_cancelled,
    EscalationRaised: handlers.on_escalation_raised,
    EscalationImpossible: handlers.on_escalation_impossible,
}
PRODUCES: frozenset[type[Event]] = frozenset({NoticeSent, NoticeFailed})


def read_pack(settings: NotifierSettings) -> Context:
    """The pack's plan and the words for it. Raises Misconfigured, naming file and field."""
    pack = settings.pack_folder()
    variables = {"AMANAH_SINK_URL": settings.sink_url.rstrip("/")} if settings.sink_url else {}
    plan = recipients.load(pack, variables, https_only=not settings.webhook_allow_local)
    try:
        home = yaml.safe_load((pack / "pack.yaml").read_text(encoding="utf-8"))
        zone, languages = ZoneInfo(home["zone"]), list(home["languages"])
    except OSError as missing:
        raise Misconfigured(f"{pack / 'pack.yaml'}: {missing.strerror}") from missing
    except (yaml.YAMLError, KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as wrong:
        raise Misconfigured(f"{pack / 'pack.yaml'}: zone and languages are needed: {wrong}") from wrong
    return Context(plan, words.load(pack, plan, zone, languages), endings.load(pack))


async def make_context(chassis: Chassis) -> Context:
    return read_pack(chassis.settings)


async def deliver(context: Context, chassis: Chassis) -> None:
    """The delivery worker with its senders; runs until cancelled."""
    settings: NotifierSettings = chassis.settings
    async with AsyncExitStack() as stack:
        webhook = WebhookSender(
            settings.webhook_secret(),
            context.catalogue,
            settings.send_timeout_seconds,
            settings.webhook_allow_local,
        )
        contacts = Contacts(settings.intake_url, settings.service_token(), settings.send_timeout_seconds)
        mail = MailSender(settings, context.catalogue)
        for sender in (webhook, contacts, mail):
            await stack.enter_async_context(sender)
        senders: dict[Channel, delivery.Sender] = {Channel.WEBHOOK: webhook, Channel.EMAIL: mail}
        await delivery.Worker(chassis, settings, context.catalogue, senders, contacts).run()


async def measure(_: Context, chassis: Chassis) -> None:
    await delivery.measure(chassis)


SERVICE = Service(
    name="notifier",
    package="amanah_notifier",
    settings=NotifierSettings,
    make_context=make_context,
    consumes=CONSUMES,
    produces=PRODUCES,
    registry=REGISTRY,
    background=(deliver, measure),
    forgets=lambda settings: (Rule("notifier_delivery", timedelta(days=settings.delivery_days), store.forget),),
)
