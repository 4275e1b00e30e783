"""Reads the pack's `recipients.yaml` into a plan, or says which field of which file is wrong and why."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from amanah_chassis.errors import Misconfigured
from amanah_notifier.domain import (
    BETWEEN_OFFICES,
    CONTACT,
    FACTS,
    RAISED,
    WITHDRAWAL,
    Channel,
    Plan,
    Recipient,
    Telling,
)

FILE = "recipients.yaml"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_PLACE = re.compile(r"\{([^}]*)\}")
_PLACES: Mapping[Recipient, frozenset[str]] = {
    Recipient.AGENCY: frozenset({"agency"}),
    Recipient.SUPERIOR: frozenset({"agency"}),
    Recipient.OFFICE: frozenset({"role", "office"}),
    Recipient.OMBUDSMAN: frozenset(),
}
"""What an address may leave open."""
_MAILBOX = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Line(_Strict):
    to: Recipient
    by: Channel
    template: Annotated[str, Field(min_length=1)]


class _File(_Strict):
    version: Literal[1]
    recipients: dict[Recipient, dict[Channel, str]]
    notices: dict[str, list[_Line]]


def load(pack: Path, variables: Mapping[str, str], https_only: bool) -> Plan:
    """The plan of a pack. `variables` fill `${NAME}` in addresses. Raises Misconfigured, naming file and field."""
    path = pack / FILE
    faults: list[str] = []
    content = _parse(path)
    addresses = {
        (recipient, channel): _address(recipient, channel, text, variables, https_only, faults)
        for recipient, channels in content.recipients.items()
        for channel, text in channels.items()
    }
    tellings = {}
    for stem, lines in content.notices.items():
        if stem not in FACTS:
            faults.append(f"notices.{stem}: not an event that can be told of; there are {', '.join(sorted(FACTS))}")
        tellings[stem] = tuple(_tellings(stem, lines, addresses, faults))
    if faults:
        raise Misconfigured("; ".join(f"{path}: {fault}" for fault in faults))
    return Plan(tellings)


def _parse(path: Path) -> _File:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _File.model_validate(content)
    except OSError as missing:
        raise Misconfigured(f"{path}: {missing.strerror}") from missing
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise Misconfigured(f"{path}:{where} is not YAML: {getattr(broken, 'problem', broken)}") from broken
    except ValidationError as invalid:
        faults = (f"{path}: {'.'.join(map(str, e['loc'])) or 'the whole file'}: {e['msg']}" for e in invalid.errors())
        raise Misconfigured("; ".join(faults)) from None


def _tellings(
    stem: str, lines: list[_Line], addresses: Mapping[tuple[Recipient, Channel], str], faults: list[str]
) -> Any:
    seen: set[tuple[Recipient, Channel]] = set()
    for number, line in enumerate(lines):
        field, way = f"notices.{stem}.{number}", (line.to, line.by)
        if way in seen:
            faults.append(f"{field}: {line.to} is told twice by {line.by}")
        elif way not in addresses:
            faults.append(f"{field}: recipients.{line.to}.{line.by} has no address")
        elif fault := _unfit(stem, line.to):
            faults.append(f"{field}: {fault}")
        else:
            yield Telling(line.to, line.by, line.template, addresses[way])
        seen.add(way)


def _unfit(stem: str, recipient: Recipient) -> str | None:
    if recipient is Recipient.CITIZEN and stem in BETWEEN_OFFICES:
        return f"{stem} is between the offices, a citizen is not told of it"
    if recipient is Recipient.OFFICE and stem not in {RAISED, WITHDRAWAL}:
        return f"an office is told only of {RAISED}, which calls upon it, and of {WITHDRAWAL}"
    return None


def _address(
    recipient: Recipient,
    channel: Channel,
    text: str,
    variables: Mapping[str, str],
    https_only: bool,
    faults: list[str],
) -> str:
    """The address with its variables filled in; what is wrong with it goes to `faults`."""
    field = f"recipients.{recipient}.{channel}"
    filled = _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text)
    if missing := _VARIABLE.findall(filled):
        faults.append(f"{field}: set {', '.join(missing)} in the environment")
        return filled
    if recipient is Recipient.CITIZEN or filled == CONTACT:
        if (recipient, channel, filled) != (Recipient.CITIZEN, Channel.EMAIL, CONTACT):
            faults.append(f"{field}: a citizen, and nobody else, is reached by `email: {CONTACT}`")
        return filled
    if fault := _place_fault(recipient, set(_PLACE.findall(filled))):
        faults.append(f"{field}: {fault}")
    example = _PLACE.sub("example", filled)
    fault = _mailbox_fault(example) if channel is Channel.EMAIL else _url_fault(example, https_only)
    if fault:
        faults.append(f"{field}: {fault}")
    return filled


def _place_fault(recipient: Recipient, places: set[str]) -> str | None:
    if recipient is Recipient.OMBUDSMAN and places:
        return f"the ombudsman is told also while no agency holds the case, so {{{sorted(places)[0]}}} has no value"
    if wrong := places - _PLACES[recipient]:
        only = " and ".join(f"{{{name}}}" for name in sorted(_PLACES[recipient]))
        return f"{{{sorted(wrong)[0]}}} is unknown; only {only} can be filled in"
    if recipient is Recipient.OFFICE and places != _PLACES[recipient]:
        return "without {role} and {office} two levels would reach one address"
    return None


def _mailbox_fault(text: str) -> str | None:
    return None if _MAILBOX.fullmatch(text) else "not an e-mail address"


def _url_fault(text: str, https_only: bool) -> str | None:
    url = urlsplit(text)
    if (
        not text.isascii()
        or not text.isprintable()
        or " " in text
        or url.scheme not in {"http", "https"}
        or not url.hostname
    ):
        return "not a web address"
    if url.username is not None or url.fragment:
        return "a web address here has no user name and no fragment"
    if https_only and url.scheme != "https":
        return "https is required unless AMANAH_WEBHOOK_ALLOW_LOCAL is true"
    return None
