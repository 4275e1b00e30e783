"""Casework as a table: what it consumes, whose orders it takes, what it produces."""

from datetime import timedelta

from amanah_casework.api import make_api
from amanah_casework.handlers import Desk, on_agency_order, on_complaint_routed
from amanah_casework.settings import CaseworkSettings
from amanah_chassis.batch import Handler
from amanah_chassis.chassis import Chassis
from amanah_chassis.service import Service
from amanah_contracts.agency import (
    AcknowledgeCase,
    DeclineCase,
    ExtendCase,
    ReceiveInformationOnCase,
    ReplyToCase,
    RequestInformationOnCase,
    ResolveCase,
    WithdrawActionOnCase,
)
from amanah_contracts.casework import (
    CaseAcknowledged,
    CaseActionWithdrawn,
    CaseDeclined,
    CaseExtended,
    CaseInformationReceived,
    CaseInformationRequested,
    CaseOrderRefused,
    CaseReplied,
    CaseResolved,
)
from amanah_contracts.envelope import Command, Event
from amanah_contracts.registry import REGISTRY
from amanah_contracts.routing import ComplaintRouted

CONSUMES: dict[type[Event], Handler] = {
    ComplaintRouted: on_complaint_routed,
}
ORDERS: dict[type[Command], Handler] = {
    AcknowledgeCase: on_agency_order,
    ReplyToCase: on_agency_order,
    ResolveCase: on_agency_order,
    DeclineCase: on_agency_order,
    RequestInformationOnCase: on_agency_order,
    ReceiveInformationOnCase: on_agency_order,
    ExtendCase: on_agency_order,
    WithdrawActionOnCase: on_agency_order,
}
PRODUCES: frozenset[type[Event]] = frozenset(
    {
        CaseAcknowledged,
        CaseReplied,
        CaseResolved,
        CaseDeclined,
        CaseInformationRequested,
        CaseInformationReceived,
        CaseExtended,
        CaseActionWithdrawn,
        CaseOrderRefused,
    }
)


async def make_context(chassis: Chassis) -> Desk:
    return Desk(order_wait=timedelta(seconds=chassis.settings.order_wait_seconds))


SERVICE = Service(
    name="casework",
    package="amanah_casework",
    settings=CaseworkSettings,
    make_context=make_context,
    consumes=CONSUMES,
    produces=PRODUCES,
    registry=REGISTRY,
    orders=ORDERS,
    orders_pattern=r"^amanah\.agency\.[a-z0-9_-]+\.replies$",
    http=make_api,
)
