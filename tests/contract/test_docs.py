"""What the pages say is so: commands exist, links lead somewhere, the picture is current, an event's stem finds all its
files, and the READMEs of the services say what their tables say."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from amanah.contracts import artefacts, flow, topics
from amanah.main import app
from amanah_contracts.envelope import Message
from amanah_contracts.registry import COMMANDS, EVENTS

ROOT = artefacts.home().parent
SERVICES = ("intake", "routing", "casework", "sla_monitor", "notifier")
MESSAGES: tuple[type[Message], ...] = (*EVENTS, *COMMANDS)
DRAWN = f"{flow.BEGIN}\n"


@cache
def _files() -> tuple[str, ...]:
    """Everything in the checkout that git does not ignore, whether committed yet or not; without git, what is not hidden."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        paths = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        names = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
    else:
        names = listed.stdout.decode().splitlines()
    return tuple(name for name in sorted(names) if (ROOT / name).is_file() and not name.endswith(".pyc"))


@cache
def _text(name: str) -> str:
    return (ROOT / name).read_text(errors="replace")


PAGES = [name for name in _files() if name.endswith(".md")]


# -- links ---------------------------------------------------------------------------------------------------------------


def _without_code(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def _anchors(page: str) -> set[str]:
    """The anchors of its headings, as hosts of git repositories make them."""
    headings = re.findall(r"^#+ (.+)$", _without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(page: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(_text(page))):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert target.resolve().is_relative_to(ROOT), f"{page}: {link} leads out of the checkout"
        if anchor:
            assert anchor in _anchors(target.read_text()), f"{page}: {link}"


def test_links_to_nowhere_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}._text", lambda _: "[a](README.md#start) [b](nowhere.md) [c](https://x.example)")
    assert list(_links("README.md")) == ["README.md#start", "nowhere.md"]
    with pytest.raises(AssertionError, match="nowhere"):
        test_every_relative_link_leads_somewhere("README.md")


def test_every_decision_is_listed_and_numbered_once() -> None:
    names = sorted(Path(name).name for name in PAGES if name.startswith("docs/decisions/0"))
    assert names
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    listed = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\)", _text("docs/decisions/README.md"), flags=re.MULTILINE)
    assert [(name[:4], name) for name in names] == listed
    for name in names:
        record = _text(f"docs/decisions/{name}")
        assert all(f"\n## {heading}\n" in record for heading in ("Context", "Decision", "Consequences")), name


# -- commands ------------------------------------------------------------------------------------------------------------


def _commands(page: str) -> Iterator[list[str]]:
    """Every `amanah …` that a page shows, in text or in a block, without what a reader has to fill in."""
    text = _text(page)
    for line in re.findall(r"(?:^|`|\$ )(?:\./)?amanah +([^`\n]*)", text, flags=re.MULTILINE):
        words = shlex.split(re.split(r"\s#|  | […│└├─]", line)[0].replace("'", ""), comments=True)
        if words and re.fullmatch(r"[a-z-]+", words[0]):
            yield words


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_every_command_that_a_page_shows_is_understood(page: str) -> None:
    for words in _commands(page):
        if words[0].startswith("--"):
            continue
        try:
            app.parse_args(_filled(words), exit_on_error=False, print_error=False)
        except Exception as misunderstood:  # noqa: BLE001 - of any kind: the page is wrong
            if not _may_lack_arguments(words, misunderstood):
                pytest.fail(f"{page}: amanah {' '.join(words)}: {misunderstood}")


def _filled(words: Sequence[str]) -> list[str]:
    filled = {"COMPLAINT_ID": str(uuid4()), "COMPLAINT": str(uuid4())}
    return [filled.get(word, re.sub(r"^<.*", "something", word)) for word in words]


def _may_lack_arguments(words: Sequence[str], why: Exception) -> bool:
    """A page may speak of `amanah replay` without naming a file; the command itself must be there."""
    return type(why).__name__ == "MissingArgumentError" and not any(word.startswith("-") for word in words)


def test_commands_that_do_not_exist_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for shown in ("`amanah dlq list intake`", "`amanah sing`", "./amanah up --loud"):
        monkeypatch.setattr(f"{__name__}._text", lambda _, shown=shown: f"Say {shown}\n" if "`" in shown else shown)
        with pytest.raises(pytest.fail.Exception):
            test_every_command_that_a_page_shows_is_understood("README.md")


def _of_readme() -> list[list[str]]:
    found = {tuple(words[: 1 if words[0] not in ("dlq", "contracts") else 2]) for words in _commands("README.md")}
    return sorted(list(command) for command in found if not command[0].startswith("--"))


@pytest.mark.parametrize("command", _of_readme(), ids=" ".join)
def test_the_commands_of_the_readme_explain_themselves(command: list[str]) -> None:
    run = [sys.executable, "-m", "amanah.main", *command, "--help"]
    helped = subprocess.run(run, cwd=ROOT, capture_output=True, check=False, text=True)
    assert helped.returncode == 0, helped.stderr
    assert f"Usage: amanah {' '.join(command)}" in helped.stdout


def test_the_readme_names_the_three_ways_to_start() -> None:
    readme = _text("README.md")
    for command in (
        "./amanah replay data/nyc311_2018.csv --pack nyc311 --json out.json",
        "./amanah up",
        "./amanah test",
    ):
        assert command in readme
    assert {"replay", "up", "test"} <= {words[0] for words in _of_readme()}


# -- the picture ---------------------------------------------------------------------------------------------------------


def test_the_picture_in_the_readme_is_drawn_from_the_topic_files() -> None:
    readme = _text("README.md")
    assert readme.count(flow.BEGIN) == readme.count(flow.END) == 1
    assert f"{DRAWN}{flow.mermaid(topics.load())}\n{flow.END}" in readme


# -- stems ---------------------------------------------------------------------------------------------------------------

HEARD = {event for name in SERVICES for event in importlib.import_module(f"amanah_{name}.app").SERVICE.consumes}


def _found(message: type[Message]) -> list[str]:
    """What `git grep <stem>` lists: the dot matches any one sign, and so the underscore of a handler's name as well."""
    stem = re.compile(rf"{message.stem}(?![a-z])")
    return [name for name in _files() if not name.endswith((".csv", "uv.lock")) and stem.search(_text(name))]


def _kinds(message: type[Message]) -> dict[str, bool]:
    found = set(_found(message))
    handlers = [name for name in found if re.search(r"^services/.*/(handlers|app)\.py$", name)]
    own = f"on_{message.stem.replace('.', '_')}"
    owner = message.__module__.rpartition(".")[2]
    return {
        "model": f"contracts/amanah_contracts/{owner}.py" in found,
        "schema": f"contracts/amanah_contracts/schemas/{message.type()}.json" in found,
        "example": f"contracts/amanah_contracts/examples/{message.type()}.json" in _files(),
        "page": f"contracts/docs/{message.stem}.md" in found,
        "topic file": any(name.startswith("contracts/amanah_contracts/topics/") for name in found),
        "handler": any(own in _text(name) for name in handlers),
        "test": any(name.startswith("tests/") and name != "tests/contract/test_docs.py" for name in found),
    }


@pytest.mark.parametrize("message", MESSAGES, ids=[message.type() for message in MESSAGES])
def test_one_search_for_the_stem_finds_all_about_a_message(message: type[Message]) -> None:
    """The example carries the stem in its name; an order's handler is shared by all orders (`on_agency_order`)."""
    wanted = set(_kinds(message))
    if message not in HEARD:  # an order, or for others than services: see below
        wanted.discard("handler")
    lacking = sorted(kind for kind, there in _kinds(message).items() if kind in wanted and not there)
    assert not lacking, f"git grep {message.stem} finds no {', '.join(lacking)}"


def test_an_event_on_which_no_service_acts_is_for_somebody_else() -> None:
    """An agency or the Ombudsman hears it, or its topic says that nobody reads it: it is kept for the trail."""
    kept = {listed for topic in topics.load() if not topic.readers for listed in topic.types}
    for event in EVENTS:
        assert event in HEARD or event.audiences or event.type() in kept, event.stem


# -- the services' own pages ---------------------------------------------------------------------------------------------


def _row(page: str, name: str) -> str:
    found = re.search(rf"^\| {name} \| (.+) \|$", page, flags=re.MULTILINE)
    assert found, f"no row `{name}`"
    return found[1]


def _stems(row: str) -> set[str]:
    return {word for word in re.findall(r"`([a-z_]+\.[a-z_]+)`", row) if word in {m.stem for m in MESSAGES}}


@pytest.mark.parametrize("name", SERVICES)
def test_the_pages_of_services_have_one_shape_and_say_what_the_tables_say(name: str) -> None:
    page = _text(f"services/{name}/README.md")
    service = importlib.import_module(f"amanah_{name}.app").SERVICE
    assert page.startswith(f"# {name}\n\n")
    assert _stems(_row(page, "consumes")) == {event.stem for event in service.consumes}
    assert _stems(_row(page, "produces")) == {event.stem for event in service.produces}
    if service.orders:
        assert _stems(_row(page, "takes orders")) == {order.stem for order in service.orders}
    assert _row(page, "owns")
    assert _row(page, "HTTP")
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    assert {"Promises", "How it fails"} <= set(headings)
    assert headings.index("Promises") < headings.index("How it fails")
    last = page.rstrip().rpartition("\n\n")[2]
    assert last.startswith("Follow it: `app.py` (tables) → ")


@pytest.mark.parametrize("name", SERVICES)
def test_the_files_that_a_service_says_to_follow_are_there(name: str) -> None:
    page = _text(f"services/{name}/README.md")
    way = page[page.rindex("Follow it:") :]
    package = ROOT / "services" / name / f"amanah_{name}"
    for file in re.findall(r"`([a-z_/]+(?:\.py|/))`", way):
        assert (package / file).exists(), file


# -- what ARCHITECTURE says of domains -----------------------------------------------------------------------------------

ALLOWED = {"pydantic", "amanah_contracts.vocabulary", "amanah_chassis.masking"}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_domain_knows_no_store_broker_clock_or_event(name: str) -> None:
    package = ROOT / "services" / name / f"amanah_{name}"
    files = [package / "domain.py"] if (package / "domain.py").exists() else sorted((package / "domain").glob("*.py"))
    assert files
    for file in files:
        for module in _imports(file):
            known = module.partition(".")[0] in sys.stdlib_module_names or module in ALLOWED
            assert known or module.startswith(f"amanah_{name}.domain"), f"{file.relative_to(ROOT)} imports {module}"


def test_the_files_that_the_pages_name_are_there() -> None:
    """`intake/api.py`, `chassis/outbox.py`, `cli/embedded/jars.py`: short paths, each within its package."""
    named = {
        path
        for page in ("ARCHITECTURE.md", "SECURITY.md")
        for path in re.findall(r"`([a-z_]+/[a-z_/]+\.py)\b", _text(page))
    }
    assert len(named) > 20
    for path in sorted(named):
        ends = (f"/{path}", f"amanah_{path}", f"/{path.replace('cli/', 'amanah/')}")
        assert any(f"/{name}".endswith(ends) for name in _files()), path


def test_the_licence_is_the_licence() -> None:
    text = _text("LICENSE")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")
    for name in _files():
        if name.endswith("pyproject.toml"):
            assert 'license = "Apache-2.0"' in _text(name), name
