"""Folders for the data of whole deployments."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.up import folder


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory that does not exist yet, in a folder that goes with the module."""
    with folder() as path:
        yield path
