"""Names are honest: from the stem of a message, every file about it is found, and nothing public is left out."""

import ast
import inspect
import re
from types import ModuleType

import pytest

from amanah.contracts import artefacts, pages
from amanah_contracts import agency, casework, intake, notifier, routing, sla_monitor
from amanah_contracts.envelope import Command, Event, Message
from amanah_contracts.registry import COMMANDS, EVENTS, REGISTRY

MODULES: tuple[ModuleType, ...] = (intake, routing, casework, sla_monitor, notifier, agency)
MESSAGES: tuple[type[Message], ...] = (*EVENTS, *COMMANDS)
ROOT = artefacts.home().parent
TYPES = [message.type() for message in MESSAGES]


def _camel(stem: str) -> str:
    return "".join(word.title() for word in re.split(r"[._]", stem))


def handler_name(message: type[Message]) -> str:
    """`on_complaint_submitted`: version 1 has the bare stem."""
    name = f"on_{message.stem.replace('.', '_')}"
    return name if message.version == 1 else f"{name}_v{message.version}"


@pytest.mark.parametrize("message", MESSAGES, ids=TYPES)
def test_class_is_named_after_its_stem(message: type[Message]) -> None:
    suffix = "" if message.version == 1 else f"V{message.version}"
    if issubclass(message, Command):  # an order reads as one: `case.reply` is ReplyToCase
        noun, verb = message.stem.split(".")
        assert re.fullmatch(f"{_camel(verb)}(To|On)?{_camel(noun)}{suffix}", message.__name__)
    else:
        assert message.__name__ == _camel(message.stem) + suffix


@pytest.mark.parametrize("message", MESSAGES, ids=TYPES)
def test_schema_example_and_page_carry_the_stem(message: type[Message]) -> None:
    contracts = artefacts.home()
    for path in (
        f"amanah_contracts/schemas/{message.type()}.json",
        f"amanah_contracts/examples/{message.type()}.json",
        f"docs/{pages.name_of(message)}",
    ):
        assert (contracts / path).is_file(), path
        assert message.stem in path
    index = (contracts / "docs" / "README.md").read_text()
    assert f"[{message.type()}]({pages.name_of(message)})" in index


def test_registry_holds_every_message_class_once() -> None:
    public = {
        member
        for module in MODULES
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, Message)
        and member.__module__ == module.__name__
        and member.stem
    }
    assert public == set(MESSAGES)
    assert len(MESSAGES) == len({message.type() for message in MESSAGES}) == len(list(REGISTRY))


def test_types_and_stems_are_well_formed() -> None:
    for message in MESSAGES:
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", message.stem)
        assert message.__doc__
        assert issubclass(message, Event | Command)


def _handlers() -> dict[str, set[str]]:
    """Functions named on_… by the service in which they are written."""
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("services/*/amanah_*/**/*.py"):
        names = {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("on_")
        }
        found.setdefault(path.relative_to(ROOT).parts[1], set()).update(names)
    return found


SHARED_HANDLERS = {"on_agency_order"}
"""One function for several classes in one code path."""


def test_handlers_are_named_after_messages() -> None:
    allowed = {handler_name(message) for message in MESSAGES} | SHARED_HANDLERS
    for service, names in _handlers().items():
        assert names <= allowed, f"{service}: {sorted(names - allowed)} belong to no message"
