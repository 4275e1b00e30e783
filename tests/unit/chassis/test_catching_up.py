"""How long one waits for what lies in a Kafka that does not answer."""

from time import monotonic

import pytest

from amanah_chassis import catching_up


async def test_while_kafka_is_away_the_patience_for_readers_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "AWAY", 1.5)
    monkeypatch.setattr(catching_up, "PAUSE_WITHOUT_KAFKA", 0.1)
    began = monotonic()
    assert not await catching_up.caught_up("127.0.0.1:9", "amanah.nobody", ["amanah.nothing"], patience=0.2)
    assert 1.5 <= monotonic() - began < 10
