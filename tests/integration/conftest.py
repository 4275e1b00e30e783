"""Integration tests meet the real PostgreSQL and the real Kafka of one stack, which the whole session shares."""

from tests.support.stack import database, embedded  # noqa: F401
