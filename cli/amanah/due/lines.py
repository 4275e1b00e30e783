"""Questions as JSON lines, answered line by line: whatever a line holds, one line comes back and the next is read."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from amanah_sla_monitor.calculator import Law, Refused, answer, asked, attempt


def answers(lines: Iterable[bytes], law: Law) -> Iterator[str]:
    """One line of JSON for each line read: the receipt, or `{error}`."""
    for line in lines:
        yield _ENCODER.encode(attempt(lambda: answer(asked(_read(line), law.pack), law)))  # noqa: B023 - called at once


_ENCODER = json.JSONEncoder(check_circular=False)


def _read(line: bytes) -> Any:
    try:
        return json.loads(line.decode(), parse_constant=_no_number)
    except RecursionError:
        raise Refused("question", "it is nested too deeply") from None
    except ValueError:  # not UTF-8, no JSON, or a number of thousands of digits
        raise Refused("question", "this line is no JSON") from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
