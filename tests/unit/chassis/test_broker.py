"""Safe settings, read off the objects that do the work: FastStream's and aiokafka's own defaults would lose records."""

import inspect
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from tests.support.ledger_service import DAY
from tests.support.raw_headers import raw_builder

from amanah_chassis import header_keys
from amanah_chassis.batch import Origin
from amanah_chassis.broker import make_broker, subscribe
from amanah_chassis.relay import producer_settings


async def apply(_: Sequence[Origin]) -> None:
    """Nothing."""


def crash(_: BaseException) -> None:
    """Nothing."""


def test_the_consumer_commits_nothing_by_itself() -> None:
    broker = make_broker("kafka:9092")
    subscribe(broker, apply, crash, group="amanah.x", instance="3", topics=["a", "b"], batch_size=77)
    [subscriber] = broker.subscribers
    assert subscriber.ack_policy is AckPolicy.MANUAL
    assert (subscriber.group_id, subscriber.max_records, subscriber.topic_names) == ("amanah.x", 77, ["a", "b"])
    told = subscriber._connection_args
    assert told["enable_auto_commit"] is False
    assert told["auto_offset_reset"] == "earliest"
    assert told["group_instance_id"] == "amanah.x.3"


def test_several_bootstrap_servers_are_several() -> None:
    builder = make_broker("kafka-0:9092,kafka-1:9092").config.broker_config.builder
    assert builder.keywords["bootstrap_servers"] == ["kafka-0:9092", "kafka-1:9092"]


def test_a_pattern_subscribes_to_what_it_matches() -> None:
    broker = make_broker("kafka:9092")
    subscribe(broker, apply, crash, group="amanah.x", instance="0", pattern=r"^a\.[a-z]+$")
    [subscriber] = broker.subscribers
    assert subscriber.pattern is not None
    assert subscriber.pattern.broker_address == r"^a\.[a-z]+$"


def test_the_broker_makes_no_topics_and_sends_safely() -> None:
    broker = make_broker("kafka:9092")
    assert broker._connection_kwargs["acks"] == "all"
    assert broker._connection_kwargs["enable_idempotence"] is True
    assert broker.config.allow_auto_create_topics is False


def test_the_relay_sends_safely() -> None:
    settings = producer_settings("kafka:9092")
    assert (settings["acks"], settings["enable_idempotence"]) == ("all", True)
    assert set(settings) <= set(inspect.signature(AIOKafkaProducer.__init__).parameters)


def test_aiokafka_still_has_the_parts_that_are_relied_on() -> None:
    """Raised by an upgrade of aiokafka? Read `header_keys.py` and `relay._end` before changing this."""
    from aiokafka.consumer import fetcher
    from aiokafka.producer.message_accumulator import MessageAccumulator
    from aiokafka.producer.sender import Sender

    assert isinstance(inspect.getattr_static(Sender, "sender_task"), property)
    assert callable(MessageAccumulator.fail_all)
    assert "self._sender =" in inspect.getsource(AIOKafkaProducer.__init__)
    assert "MemoryRecords(part_data[-1])" in inspect.getsource(fetcher)
    assert "Fetcher(" in inspect.getsource(AIOKafkaConsumer.start)


def test_a_header_key_that_is_not_utf8_is_read_with_its_batch() -> None:
    records = [
        (b"1", b"one", [("plain", b"v"), ("ünïcode", None)]),
        (b"2", b"two", [("\udcff\udcfe", b"\xff")]),
        (None, None, []),
        (b"4", b"four", [("a\udc80b", b"x"), ("plain", b"y")]),
    ]
    raw = bytes(raw_builder(records).build())
    good = bytes(raw_builder([(b"5", b"five", [("plain", b"v")])]).build())
    found = [record for batch in batches(raw + good + raw) for record in batch]
    expected = [*records, (b"5", b"five", [("plain", b"v")]), *records]
    assert [(r.key, r.value, list(r.headers)) for r in found] == [(k, v, list(h)) for k, v, h in expected]
    assert [r.offset for r in found] == [0, 1, 2, 3, 0, 0, 1, 2, 3]


def test_the_fast_way_is_taken_while_it_can_be() -> None:
    [batch] = batches(bytes(raw_builder([(b"1", b"one", [])]).build()))
    assert type(batch._fast).__module__ == "aiokafka.record._crecords.default_records"
    assert batch.validate_crc()
    assert (batch.is_control_batch, batch.next_offset) == (False, 1)


def batches(raw: bytes) -> list[header_keys._Batch]:
    records = header_keys._Records(raw)
    found = []
    while records.has_next():
        found.append(records.next_batch())
    return found


def test_a_record_keeps_everything_that_a_dead_letter_needs() -> None:
    fields = {"topic", "partition", "offset", "appended_at", "key", "headers", "value"}
    assert set(Origin._fields) == fields
    assert Origin("t", 0, 1, DAY, None, (), None).value is None
