"""`amanah reconcile`: a database was restored to an earlier time, and Kafka is ahead of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from amanah.fault import Fault

if TYPE_CHECKING:
    from amanah.recovery.reconcile import Found


def reconcile(
    service: str,
    /,
    *,
    apply: Annotated[bool, Parameter(negative="")] = False,
    forget: Annotated[bool, Parameter(negative="")] = False,
    data: Annotated[Path | None, Parameter(help="Data directory of the stack [default: the one started last].")] = None,
    database: Annotated[str | None, Parameter(help="DSN of the service's database, in place of a stack.")] = None,
    kafka: Annotated[str | None, Parameter(name="--kafka", help="host:port [default: the stack's].")] = None,
    limit: Annotated[int, Parameter(help="How many of each kind are named one by one.")] = 20,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print data instead of text.")] = False,
) -> int:
    """List how a service's database differs from what Kafka has of it; exit 1 if anything differs that is not mended.

    After a database was restored to an earlier time, do this before the service starts: it would give numbers that Kafka
    has seen to other events, and its readers would pass over what it has lost.

    Parameters
    ----------
    service
        One of intake, routing, casework, sla_monitor, notifier.
    apply
        Mend it, while the service is stopped: its events come back from Kafka, its numbers go on behind Kafka's, and it
        reads its inputs from the beginning. What it then says again as it said it before is not sent a second time.
    forget
        Of what was put back, wait no longer for what the service has not said again.
    """
    from amanah.embedded.services import SERVICES
    from amanah.progress import shown
    from amanah.recovery import places
    from amanah.recovery import reconcile as work
    from amanah.running import run

    if service not in SERVICES:
        raise Fault(f"There is no service {service!r}. There are {', '.join(SERVICES)}.", 2)
    if apply and forget:
        raise Fault("First --apply, then let the service run, then --forget.", 2)
    place = places.find(data, [f"{service}={database}"] if database else (), kafka).only(service)
    if forget:
        print(f"{service}: {run(work.forget(place)):,} events are waited for no longer")
        return 0
    with shown() as progress:
        found = run((work.mend if apply else work.look)(place, progress))
    if as_json:
        print(json.dumps(found.as_dict(limit), indent=1))
    else:
        _tell(found, limit, mended=apply)
    return 0 if found.agrees or (apply and not (found.reused or found.differing)) else 1


def _tell(found: "Found", limit: int, *, mended: bool) -> None:
    said = found.as_dict(limit)
    first = said["first"]
    lines = [f"Kafka has {count:,} events on {topic} that its outbox lacks" for topic, count in said["lacking"].items()]
    lines += [
        f"  {e['type']} {e['event_id']}: {e['topic']}, {e['subject']}, number {e['seq']}" for e in first["lacking"]
    ]
    if found.behind:
        lines.append(f"{found.behind:,} streams stand behind the numbers that Kafka has seen")
    if found.unread:
        streams, events = said["unread"]["streams"], said["unread"]["events"]
        lines.append(f"{events:,} events about {streams:,} streams lie behind its readers and are not applied")
    lines += [f"  {u['source']}, {u['subject']}: applied {u['applied']} of {u['written']}" for u in first["unread"]]
    if found.reused:
        lines.append(f"{len(found.reused):,} numbers mean two events; readers have dropped the second")
    lines += [
        f"  {r['topic']}, {r['subject']}, number {r['seq']}: {r['in_kafka']} and {r['in_outbox']}"
        for r in first["reused"]
    ]
    lines += [
        f"{topic} lacks {lacking:,} events and has {otherwise:,} otherwise than the outbox: see amanah topics rebuild --add"
        for topic, lacking, otherwise in found.differing
    ]
    lines += [f"{count:,} {kind} were put back and not said again" for kind, count in said["unexplained"].items()]
    lines += [f"  {e['type']} {e['event_id']}: {e['topic']}, {e['subject']}" for e in first["unexplained"]]
    if mended:
        lines.append(f"put back {found.put_back:,} events; {found.moved} partitions are read from the beginning")
    elif found.mendable:
        lines.append(f"Stop {found.service} and mend it: ./amanah reconcile {found.service} --apply")
    print("\n".join(lines) if lines else f"{found.service} and Kafka agree.")
