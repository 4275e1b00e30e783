"""What Kafka does not take: a topic that is not there, an event larger than a topic takes. It waits, and is tried again;
all else goes on. Behind an event that is too large its whole stream waits, so that order holds."""

from collections.abc import Sequence

from amanah_chassis import metrics
from amanah_chassis.logs import logger

log = logger(__name__)

NO_TOPIC = "no_such_topic"
TOO_LARGE = "too_large"
RETRY_SECONDS = {NO_TOPIC: 5.0, TOO_LARGE: 60.0}

Place = tuple[str, str]
"""A topic and a subject; the subject is empty when the whole topic is meant."""


class HeldBack:
    """Places that the relay passes over, each until its next try. `now` is the event loop's time."""

    def __init__(self) -> None:
        self._until: dict[Place, tuple[float, str]] = {}
        self._told: set[Place] = set()

    def add(self, topic: str, subject: str, reason: str, now: float) -> None:
        place = topic, subject
        self._until[place] = now + RETRY_SECONDS[reason], reason
        if place not in self._told:
            self._told.add(place)
            log.error("events are held back", extra={"topic": topic, "subject": subject, "reason": reason})
        self._count()

    def known(self, topic: str) -> bool:
        """Whether it was found missing before."""
        return (topic, "") in self._told

    def taken(self, topic: str) -> None:
        """Kafka has it after all; whoever heard that it is missing hears this too."""
        if (topic, "") in self._told:
            self._told.discard((topic, ""))
            log.info("events are no longer held back", extra={"topic": topic})

    def forget_old(self, now: float) -> None:
        """Gives those whose time has come another try."""
        self._until = {place: entry for place, entry in self._until.items() if entry[0] > now}
        self._count()

    def holds(self, topic: str, subject: str) -> bool:
        return bool(self._until) and ((topic, "") in self._until or (topic, subject) in self._until)

    def topics(self) -> Sequence[str]:
        return [topic for topic, subject in self._until if not subject]

    def streams(self) -> Sequence[Place]:
        return [place for place in self._until if place[1]]

    def __bool__(self) -> bool:
        return bool(self._until)

    def _count(self) -> None:
        reasons = [reason for _, reason in self._until.values()]
        for reason in RETRY_SECONDS:
            metrics.OUTBOX_HELD_BACK.labels(reason).set(reasons.count(reason))
