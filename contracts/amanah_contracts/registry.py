"""Every message of Amanah, found by its `ce_type`."""

from amanah_contracts import agency, casework, intake, notifier, routing, sla_monitor
from amanah_contracts.envelope import Command, Event, Registry

EVENTS: tuple[type[Event], ...] = (
    intake.ComplaintSubmitted,
    routing.ComplaintRouted,
    routing.TriageRequested,
    casework.CaseAcknowledged,
    casework.CaseReplied,
    casework.CaseResolved,
    casework.CaseDeclined,
    casework.CaseInformationRequested,
    casework.CaseInformationReceived,
    casework.CaseExtended,
    casework.CaseActionWithdrawn,
    casework.CaseOrderRefused,
    sla_monitor.DeadlineStarted,
    sla_monitor.DeadlinePaused,
    sla_monitor.DeadlineResumed,
    sla_monitor.DeadlineAtRisk,
    sla_monitor.DeadlineRecalculated,
    sla_monitor.DeadlineMet,
    sla_monitor.DeadlineBreached,
    sla_monitor.DeadlineBreachWithdrawn,
    sla_monitor.DeadlineCancelled,
    sla_monitor.EscalationRaised,
    sla_monitor.EscalationImpossible,
    sla_monitor.OversightGap,
    notifier.NoticeSent,
    notifier.NoticeFailed,
)
COMMANDS: tuple[type[Command], ...] = (
    agency.AcknowledgeCase,
    agency.ReplyToCase,
    agency.ResolveCase,
    agency.DeclineCase,
    agency.RequestInformationOnCase,
    agency.ReceiveInformationOnCase,
    agency.ExtendCase,
    agency.WithdrawActionOnCase,
)
REGISTRY = Registry(*EVENTS, *COMMANDS)
