"""`amanah up`: the pack it starts with, and the first complaint that it offers."""

import json
import shlex
from pathlib import Path

import pytest

from amanah import project
from amanah.commands import up
from amanah.embedded.home import Home, State
from amanah_routing.domain import Assignment, Matter, route
from amanah_routing.pack import load_agencies, load_rules


@pytest.mark.parametrize(
    ("asked", "before", "started"),
    [(None, None, "nyc311"), (None, "id", "id"), ("nyc311", "id", "nyc311"), ("id", None, "id")],
)
def test_data_keeps_its_pack_unless_another_is_named(
    asked: str | None, before: str | None, started: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        Home(tmp_path).write(State(str(tmp_path), str(project.pack(before)), 1, "", "", {}, []))
    seen: list[Path] = []

    async def start(data: Path, pack: Path, options: object) -> None:
        seen.append(pack)

    monkeypatch.setattr(up, "_up", start)
    up.up(pack=asked, data=tmp_path)
    assert seen == [project.pack(started)]


def _offered(pack: Path) -> dict[str, str]:
    command = up.first_complaint("http://127.0.0.1:8101", pack).split("\n\n")[1]
    words = shlex.split(command.replace("\\\n", ""))
    body: dict[str, str] = json.loads(words[words.index("-d") + 1])
    return body


@pytest.mark.parametrize("pack", ["id", "nyc311"])
def test_the_first_complaint_that_is_offered_finds_an_agency(pack: str) -> None:
    folder = project.pack(pack)
    offered = _offered(folder)
    agencies = load_agencies(folder)
    matter = Matter(offered["category"], region=offered.get("region"))
    assert isinstance(route(matter, load_rules(folder, agencies), agencies), Assignment)
    assert offered["narrative"]


def test_a_pack_without_an_example_has_one_too(tmp_path: Path) -> None:
    assert _offered(tmp_path) == up.EXAMPLE
    (tmp_path / "pack.yaml").write_text("name: x\n")
    assert _offered(tmp_path) == up.EXAMPLE


def test_an_example_with_quotes_survives_the_shell(tmp_path: Path) -> None:
    example = {"category": "Jum'at", "narrative": 'It says "closed" — à midi.'}
    (tmp_path / "pack.yaml").write_text(json.dumps({"example": example}))
    assert _offered(tmp_path) == example
