"""The faults of the lab, in the order of their numbers.

crashes.py   processes killed between two of their steps       freezes.py   processes that stand still, and two that are one
servers.py   Kafka and PostgreSQL away, hung or crashed         records.py   what lies in Kafka: again, or broken
outside.py   receivers, locks, bursts, a cut wire               worlds.py    another clock, another law
cluster.py   brokers of three                               disks.py     no space left
restores.py  data lost, and brought back by command
"""

from amanah.faultlab.faults import cluster, crashes, disks, freezes, outside, records, restores, servers, worlds
from amanah.faultlab.lab import Nemesis

ALL: tuple[Nemesis, ...] = tuple(
    sorted(
        (
            *cluster.FAULTS,
            *crashes.FAULTS,
            *disks.FAULTS,
            *freezes.FAULTS,
            *servers.FAULTS,
            *records.FAULTS,
            *restores.FAULTS,
            *outside.FAULTS,
            *worlds.FAULTS,
        ),
        key=lambda fault: (int("".join(filter(str.isdigit, fault.id))), fault.id),
    )
)
