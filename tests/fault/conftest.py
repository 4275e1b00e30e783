"""Faults on real servers: the one stack that all tests of a session share, or a lab's own."""

from tests.support.stack import embedded  # noqa: F401
