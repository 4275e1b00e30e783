"""The committed files are current; a breaking model is refused by `check` and by `write`, with words that help."""

import json
import shutil
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from amanah.commands import contracts as command
from amanah.contracts import artefacts
from amanah.contracts.artefacts import Contracts
from amanah_contracts.envelope import Message
from amanah_contracts.intake import ComplaintSubmitted
from amanah_contracts.routing import TriageRequested
from amanah_contracts.vocabulary import RegionCode


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of contracts/ that a test may spoil."""
    return Path(shutil.copytree(artefacts.home(), tmp_path / "contracts"))


def _with(changed: type[Message]) -> Contracts:
    """Our contracts with one class in the place of the class of the same type."""
    ours = artefacts.ours()
    changed.__module__ = next(message.__module__ for message in ours.messages if message.type() == changed.type())
    messages = [changed if message.type() == changed.type() else message for message in ours.messages]
    return Contracts(messages, ours.topics, ours.examples)


def test_what_is_committed_is_current_and_compatible() -> None:
    verdict = artefacts.judge(artefacts.ours(), artefacts.home())
    assert verdict.good, verdict


def _narrowed() -> type[Message]:
    class ComplaintSubmittedNow(ComplaintSubmitted):
        """A complaint was filed."""

        category: Annotated[str, Field(max_length=60, description="Category of the pack, as filed.")]

    ComplaintSubmittedNow.__name__ = "ComplaintSubmitted"
    return ComplaintSubmittedNow


def _extended() -> type[Message]:
    class TriageRequestedNow(TriageRequested):
        """No rule found an agency; a person must decide."""

        hint: Annotated[RegionCode | None, Field(description="Where it may belong.")] = None

    TriageRequestedNow.__name__ = "TriageRequested"
    return TriageRequestedNow


def test_a_breaking_change_names_event_field_break_and_remedy(root: Path) -> None:
    (told,) = artefacts.judge(_with(_narrowed()), root).broken
    for words in (
        "complaint.submitted.v1 (ComplaintSubmitted)",
        "field `category`: maxLength 120 became 60",
        "add ComplaintSubmittedV2 (version = 2)",
        "complaint.submitted.v2.json",
    ):
        assert words in told


def test_write_refuses_a_breaking_change_and_writes_nothing(root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    verdict, written = artefacts.write(_with(_narrowed()), root)
    assert verdict.broken
    assert written == ()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_an_optional_field_is_fine_once_written(root: Path) -> None:
    contracts = _with(_extended())
    verdict = artefacts.judge(contracts, root)
    assert not verdict.broken
    assert "amanah_contracts/schemas/triage.requested.v1.json" in verdict.stale
    assert "docs/triage.requested.md" in verdict.stale
    artefacts.write(contracts, root)
    assert artefacts.judge(contracts, root).good
    assert "hint" in json.loads((root / "amanah_contracts/schemas/triage.requested.v1.json").read_text())["properties"]


def test_a_second_version_stands_beside_the_first(root: Path) -> None:
    class TriageRequestedV2(TriageRequested):
        """No rule found an agency; a person must decide, by a day."""

        version: ClassVar[int] = 2
        urgent: Annotated[bool, Field(description="Whether it cannot wait.")]

    ours = artefacts.ours()
    TriageRequestedV2.__module__ = TriageRequested.__module__
    topics = [
        topic.model_copy(update={"messages": (*topic.messages, topic.messages[-1].model_copy(update={"type": name}))})
        if topic.id == "assignments"
        else topic
        for topic in ours.topics
        for name in ["triage.requested.v2"]
    ]
    example = {**ours.examples["triage.requested.v1"], "urgent": False}
    contracts = Contracts(
        (*ours.messages, TriageRequestedV2), topics, {**ours.examples, "triage.requested.v2": example}
    )
    verdict, written = artefacts.write(contracts, root)
    assert not verdict.faults
    assert not verdict.broken
    assert "amanah_contracts/schemas/triage.requested.v2.json" in written
    assert "docs/triage.requested.v2.md" in written
    assert "amanah_contracts/schemas/triage.requested.v1.json" not in written


def test_a_class_that_is_gone_is_a_break(root: Path) -> None:
    ours = artefacts.ours()
    kept = [message for message in ours.messages if message is not TriageRequested]
    (told,) = artefacts.judge(Contracts(kept, ours.topics, ours.examples), root).broken
    assert told.startswith("triage.requested.v1: its class is gone.")


def test_a_file_edited_by_hand_is_not_current(root: Path) -> None:
    page = root / "docs" / "case.replied.md"
    page.write_text(page.read_text() + "\nmore\n")
    (root / "docs" / "case.forgotten.md").write_text("left over")
    assert artefacts.judge(artefacts.ours(), root).stale == ("docs/case.forgotten.md", "docs/case.replied.md")
    artefacts.write(artefacts.ours(), root)
    assert artefacts.judge(artefacts.ours(), root).good


def test_the_flow_in_a_readme_is_kept_current(root: Path) -> None:
    readme = root.parent / "README.md"
    readme.write_text("# Home\n\n<!-- flow: generated by `amanah contracts write` -->\n<!-- /flow -->\n\nEnd.\n")
    artefacts.write(artefacts.ours(), root)
    text = readme.read_text()
    assert "flowchart LR" in text
    assert text.startswith("# Home\n")
    assert text.endswith("<!-- /flow -->\n\nEnd.\n")
    assert artefacts.judge(artefacts.ours(), root).good


def test_check_ends_with_1_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = _with(_narrowed())
    monkeypatch.setattr(artefacts, "ours", lambda: spoilt)
    assert command.check() == 1
    assert "field `category`" in capsys.readouterr().err
