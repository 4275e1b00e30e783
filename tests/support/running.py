"""A service with a database of its own, from the beginning of a test to its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import ServiceProcess
from tests.support.stack import Embedded

from amanah import project


@contextmanager
def running(name: str, embedded: Embedded, home: Path) -> Iterator[ServiceProcess]:
    """With the pack of New York; ended also when it does not get ready."""
    pack = project.pack("nyc311")
    process = ServiceProcess(name, kafka=embedded.kafka, database=embedded.database(), pack=pack, home=home)
    try:
        process.start()
        yield process
    finally:
        process.stop()
