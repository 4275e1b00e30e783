"""Batches as clients in C or Go may write them: with header keys that are not UTF-8."""

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy


class _RawKey(str):
    """A header key whose lone surrogates stand for bytes."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode(encoding, "surrogateescape")


Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]


def raw_builder(records: Sequence[Record]) -> Any:
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1_000_000)
    for offset, (key, value, headers) in enumerate(records):
        raw = [(_RawKey(name), content) for name, content in headers]
        assert builder.append(offset, 1_700_000_000_000 + offset, key, value, raw) is not None
    return builder


def batch_with_raw_header(producer: AIOKafkaProducer, records: Sequence[Record]) -> Any:
    """For `producer.send_batch`. Lone surrogates in a header's key become the bytes they stand for."""
    batch = producer.create_batch()
    batch._builder = raw_builder(records)
    batch._relative_offset = len(records)
    batch.close()
    return batch
