"""The generated files of `contracts/` put together, compared with what is committed, and written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import amanah_contracts
from amanah.contracts import asyncapi, consistency, flow, pages, schemas, topics
from amanah.contracts.compatibility import Break, breaks
from amanah.contracts.topics import Topic
from amanah_contracts.envelope import Message
from amanah_contracts.registry import COMMANDS, EVENTS


def home() -> Path:
    """The folder `contracts/` of this source tree."""
    return Path(amanah_contracts.__file__).resolve().parent.parent


@dataclass(frozen=True)
class Contracts:
    """Everything written by hand: classes, topic files, examples."""

    messages: Sequence[type[Message]]
    topics: Sequence[Topic]
    examples: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What `check` found. Only stale files can be mended by writing."""

    faults: tuple[str, ...]
    broken: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.faults or self.broken or self.stale)


def ours() -> Contracts:
    """The contracts of this source tree."""
    return Contracts((*EVENTS, *COMMANDS), topics.load(), read_examples(home()))


def read_examples(root: Path) -> dict[str, Any]:
    """The examples by `ce_type`."""
    folder = root / "amanah_contracts" / "examples"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def judge(contracts: Contracts, root: Path) -> Verdict:
    """Compares the contracts with all that is committed under `root`."""
    faults = consistency.faults(contracts.messages, contracts.topics, dict(contracts.examples))
    broken = tuple(_broken(contracts.messages, schemas.committed(root / "amanah_contracts" / "schemas")))
    stale = () if faults else tuple(_stale(generated(contracts, root), root))
    return Verdict(faults, broken, stale)


def generated(contracts: Contracts, root: Path) -> dict[str, str]:
    """Path below `root` and content of every generated file."""
    catalogue = asyncapi.Catalogue(contracts.messages, contracts.topics, contracts.examples)
    release = version("amanah-contracts")
    files = {
        "asyncapi.public.yaml": asyncapi.public(catalogue, release),
        "asyncapi.internal.yaml": asyncapi.internal(catalogue, release),
        "docs/README.md": pages.index(contracts.messages, contracts.topics),
        "docs/flow.md": flow.page(contracts.topics),
    }
    for message in contracts.messages:
        example = contracts.examples[message.type()]
        files[f"amanah_contracts/schemas/{schemas.path_of(message)}"] = schemas.dump(schemas.current(message))
        files[f"docs/{pages.name_of(message)}"] = pages.page(message, contracts.topics, example)
    readme = root.parent / "README.md"
    if readme.exists():
        files["../README.md"] = flow.placed(readme.read_text(), contracts.topics)
    return files


def write(contracts: Contracts, root: Path) -> tuple[Verdict, tuple[str, ...]]:
    """Brings the generated files up to date; answers the verdict before and what was written: nothing while a contract
    is broken or inconsistent, since a written schema is what the next change is compared with."""
    before = judge(contracts, root)
    if before.faults or before.broken:
        return before, ()
    files = generated(contracts, root)
    for name in before.stale:
        path = root / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        else:
            path.unlink()
    return before, before.stale


def _broken(messages: Sequence[type[Message]], committed: Mapping[str, schemas.Schema]) -> list[str]:
    known = {message.type(): message for message in messages}
    found = []
    for name, schema in committed.items():
        message = known.get(name)
        if message is None:
            found.append(
                f"{name}: its class is gone.\n"
                "  Events of this type lie in Kafka: keep the class in registry.py, also when a newer version exists."
            )
        elif broken := breaks(schema, schemas.current(message)):
            found.append(_told(message, broken))
    return found


def _told(message: type[Message], broken: tuple[Break, ...]) -> str:
    following = message.version + 1
    base = message.__name__.removesuffix(f"V{message.version}")
    lines = [f"{message.type()} ({message.__name__}) no longer keeps its contract:"]
    lines += [f"  {one}" for one in broken]
    lines.append(
        f"  Undo this, or leave {message.__name__} as it was and add {base}V{following} (version = {following}) beside it, "
        f'with examples/{message.stem}.v{following}.json: contracts/README.md, "Versions".'
    )
    return "\n".join(lines)


def _stale(files: Mapping[str, str], root: Path) -> list[str]:
    differing = [name for name, text in files.items() if not _equals(root / name, text)]
    folders = {"docs": "*.md", "amanah_contracts/schemas": "*.json"}
    present = [f"{folder}/{path.name}" for folder, glob in folders.items() for path in (root / folder).glob(glob)]
    return sorted([*differing, *(name for name in present if name not in files)])


def _equals(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text
