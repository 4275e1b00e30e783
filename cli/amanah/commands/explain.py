"""`amanah explain`: why a complaint's deadlines fall when they do, and whether a saved receipt is true."""

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter

from amanah import project
from amanah.fault import Fault


def explain(
    complaint: UUID | None = None,
    /,
    *,
    data: Path | None = None,
    url: str | None = None,
    receipt: Path | None = None,
    pack: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show each deadline of a complaint with its receipt: rule, law, calendar, every day counted or skipped and why.

    With --receipt no running system is asked: a receipt saved by --json is counted again from the pack's law, and the
    command ends with 1 if it does not hold.

    Parameters
    ----------
    complaint
        The complaint's id.
    data
        Data directory of the stack to ask [default: the stack started last].
    url
        Base URL of the SLA monitor to ask, instead of a stack on this machine.
    receipt
        File with a saved receipt: what --json printed, or one of its clocks.
    pack
        Pack by which to count the receipt again [default: the one that it names].
    as_json
        Print data instead of text.
    """
    if (complaint is None) == (receipt is None):
        raise Fault("Give either the id of a complaint or --receipt FILE.", 2)
    if receipt is not None:
        return _recompute(receipt, pack, as_json)
    assert complaint is not None
    from amanah.explain import fetch, words

    found = fetch.receipts(url or _running(data), complaint)
    print(_json(found) if as_json else "\n".join(words.document(found)))
    return 0


def _running(data: Path | None) -> str:
    from amanah.embedded import home

    state = home.read(data)
    if not home.runs(state):
        raise Fault(
            f"The stack in {state.data} does not run. Start it with ./amanah up, or count a saved receipt again."
        )
    return state.url("sla_monitor")


def _recompute(file: Path, pack: str | None, as_json: bool) -> int:
    from amanah.explain import recompute, words

    found = _read(file)
    clocks = found.get("clocks", [found])
    named = pack or found.get("pack")
    if not named:
        raise Fault(f"{file} does not name its pack; give it with --pack.")
    law = recompute.load(project.pack(str(named)))
    at = words.parse(found["at"]) if "at" in found else None
    verdicts = [recompute.judge(clock, law, at) for clock in clocks]
    holds = all(verdict.holds for verdict in verdicts)
    if as_json:
        listed = [
            {"stage": v.stage, "holder": v.holder, "holds": v.holds, "due_at": v.due_at, "faults": v.faults}
            for v in verdicts
        ]
        print(_json({"holds": holds, "pack": law.pack, "clocks": listed}))
    else:
        print("\n".join(words.verdicts(verdicts, law.pack)))
    return 0 if holds else 1


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as missing:
        raise Fault(f"{file} cannot be read: {missing.strerror}.") from None
    except ValueError:
        raise Fault(f"{file} is no JSON.") from None
    if not isinstance(found, dict) or not isinstance(found.get("clocks", []), list):
        raise Fault(f"{file} is no receipt: an object is expected, as `amanah explain --json` prints it.")
    return found


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, indent=1)
