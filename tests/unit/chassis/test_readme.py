"""What the chassis's README shows is true: its service is one, and its table names every module."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from amanah_contracts.intake import ComplaintSubmitted

README = (Path(__file__).parents[3] / "chassis" / "README.md").read_text()


def test_the_service_in_twenty_lines_is_a_service() -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    shown: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), shown)
    service = shown["SERVICE"]
    assert service.topics() == [ComplaintSubmitted.topic]
    assert service.handlers() == {ComplaintSubmitted: shown["on_complaint_submitted"]}
    written = [line for line in code.splitlines() if line.strip() and not re.match(r"from|\s*#", line)]
    assert len(written) <= 20


def test_every_module_has_its_line() -> None:
    table = "".join(re.findall(r"^\| `.*", README, flags=re.MULTILINE))
    named = set(re.findall(r"`([a-z_]+)`", table))
    modules = {entry.name.removesuffix(".py") for entry in files("amanah_chassis").iterdir() if entry.name[0] != "_"}
    assert modules - named == set()
