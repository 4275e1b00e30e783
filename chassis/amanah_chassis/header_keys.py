"""Lets aiokafka read records whose header *keys* are not UTF-8.

Clients written in C or Go may send any bytes as a header's key. aiokafka 0.14 decodes keys strictly while it fetches, below
every deserializer that one could give it: the fetch fails, is repeated, and fails again, so one such record stops its
partition for good. Here the batch that holds it is read a second time with `surrogateescape`, which keeps the bytes.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def install() -> None:
    """Makes every consumer of this process read so; calling it again changes nothing."""
    fetcher.MemoryRecords = _Records


class _Records(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of one fetch."""

    def next_batch(self, *_: int) -> Any:
        raw = self._next_slice
        batch = super().next_batch()
        return _Batch(raw, batch) if isinstance(batch, DefaultRecordBatch) else batch


class _Batch:
    """One batch: read the fast way, or, where a record in it cannot be read so, the slow and patient way."""

    def __init__(self, raw: memoryview, fast: Any) -> None:
        self._raw = raw
        self._fast = fast

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __next__(self) -> Any:
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._fast))
        except (UnicodeDecodeError, CorruptRecordException):
            return iter(_PatientBatch(self._raw))


class _PatientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def __iter__(self) -> "_PatientBatch":
        super().__iter__()
        self._buffer = _Buffer(self._buffer)
        return self


class _Buffer(bytearray):
    """Its slices say `decode` leniently, for header keys are all that aiokafka decodes in them."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Slice(found) if isinstance(found, bytearray) else found


class _Slice(bytearray):
    def decode(self, encoding: str = "utf-8", _: str = "strict") -> str:
        return super().decode(encoding, "surrogateescape")
