"""`amanah due`: when a term ends, and why. For anyone, without a running system."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah import project
from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah_sla_monitor.calculator import Law


def due(
    *,
    pack: str = "id",
    rule: str | None = None,
    start: str | None = None,
    calendar: str | None = None,
    pause: Annotated[list[str] | None, Parameter(negative="")] = None,
    extend: Annotated[bool, Parameter(negative="")] = False,
    stdin: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Count a deadline by the law of a pack, and show each day counted or skipped and why.

    With --stdin it reads a JSON object per line, {"rule", "start", "calendar", "pauses": [[from, to], ...], "extend"}, and
    answers a line each; what cannot be answered is {"error"}, and the next line is read.

    Parameters
    ----------
    pack
        The data pack by name or folder.
    rule
        The rule by its id, such as SP4N-2.
    start
        When the term began, with its offset: 2026-03-16T09:00:00+08:00.
    calendar
        A calendar of the pack [default: the rule's, else the pack's].
    pause
        FROM/TO, as often as there were pauses; FROM/ for one that still stands.
    extend
        With the extension that the rule allows.
    stdin
        Questions as JSON lines.
    as_json
        Print data instead of text.
    """
    from amanah_chassis.errors import Misconfigured
    from amanah_sla_monitor import calculator

    folder = project.pack(pack)
    if stdin and (rule or start or calendar or pause or extend):
        raise Fault("With --stdin each line brings its own arguments.", 2)
    if not stdin and not (rule and start):
        raise Fault("Give --rule and --start, or --stdin.", 2)
    try:
        law = calculator.load(folder)
    except Misconfigured as wrong:
        raise Fault(str(wrong)) from None
    if stdin:
        _answer_lines(law)
        return
    try:
        pauses = [calculator.span(text, f"pause {number}") for number, text in enumerate(pause or (), 1)]
        question = {"rule": rule, "start": start, "calendar": calendar, "pauses": pauses, "extend": extend}
        found = calculator.answer(calculator.asked(question, law.pack), law)
    except calculator.Refused as refused:
        raise Fault(f"{refused}.", 2) from None
    from amanah.due import words

    print(json.dumps(found, ensure_ascii=False, indent=1) if as_json else "\n".join(words.lines(found)))


def _answer_lines(law: "Law") -> None:
    from amanah.due.lines import answers

    for line in answers(sys.stdin.buffer, law):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # whoever asks line by line waits for each answer
