"""From evidence to named anomalies. Pure: nothing of the services, their contracts or the chassis is imported here, so that
an error of theirs cannot be the checker's too.

case.py          all that is known of each complaint, side by side
complaints.py    lost-write, phantom, double-accept
streams.py       seq-gap, seq-inversion
ledger.py        lost-write, phantom: Kafka against the outboxes, and against what it had before it was emptied
orders.py        illegal-transition, and orders that were lost, invented or carried out twice
breaches.py      missed-, early-, double-, slow-breach, breach-after-completion
notices.py       missed- and double-notification, wrong-recipient
leaks.py         pii-leak
rest.py          stuck
"""

from collections.abc import Mapping, Sequence

from amanah.faultlab.checker import breaches, complaints, leaks, ledger, notices, orders, rest, streams
from amanah.faultlab.checker.case import Evidence
from amanah.faultlab.model import Anomaly, Notice, Op, Record, Rows

CHECKS = (
    complaints.lost,
    complaints.phantoms,
    complaints.doubled,
    streams.numbered,
    ledger.kept,
    ledger.outlived,
    orders.carried_out,
    breaches.rightly,
    breaches.promptly,
    notices.told,
    notices.named,
    notices.told_once,
    notices.told_rightly,
    notices.shown_rightly,
    leaks.canaries,
    rest.at_rest,
)


def check(
    history: Sequence[Op], kafka_dump: Sequence[Record], pg_dump: Rows, sinks: Sequence[Notice], logs: Mapping[str, str]
) -> list[Anomaly]:
    """Every promise that was not kept. `logs`: name to text of every log, trace file and metrics page."""
    evidence = Evidence(history, kafka_dump, pg_dump, sinks, logs)
    return [anomaly for one in CHECKS for anomaly in one(evidence)]
