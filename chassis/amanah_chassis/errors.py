"""The tree of what can go wrong, and the fate of each.

    ChassisError
     ├─ Refused               a record that can never be handled          -> dead letter, with its reason
     │   ├─ Undecodable          header, JSON or body does not fit its contract
     │   ├─ UnknownType          nobody here knows the type or version
     │   └─ Misplaced            an event on a topic that is not its owner's, so anybody may have written it
     ├─ ReplayFailed          a dead letter that fails again              -> stays dead, with its new reason
     ├─ OutOfTurn             a dead letter is given up before its elders  -> stays dead
     ├─ Transient             the world, not the record, is at fault      -> retried with back-off, nothing committed
     │   ├─ StalePosition        another consumer moved the position first
     │   └─ DatabaseAway         no connection is to be had, whatever the reason
     └─ Misconfigured         a setting is missing or wrong               -> the process stops and says what to set

Any other exception in a handler counts as the record's fault: the batch is bisected until the one record that causes it
stands alone, and that record is dead-lettered.
"""

import asyncpg


class ChassisError(Exception):
    """Root of the tree."""


class Refused(ChassisError):
    """A record that can never be handled; `reason` is a stable word for metrics and lists."""

    reason = "refused"


class Undecodable(Refused):
    reason = "undecodable"


class UnknownType(Refused):
    reason = "unknown_type"


class Misplaced(Refused):
    reason = "misplaced"


class ReplayFailed(ChassisError):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OutOfTurn(ChassisError):
    """What comes before it must be settled first."""


class Transient(ChassisError):
    """Try again later: the record is not to blame."""


class StalePosition(Transient):
    """Another consumer applied the same records first; read the positions again."""


class DatabaseAway(Transient):
    """Postgres lets nobody in: it is down, starting, full, or refuses the role."""


class Misconfigured(ChassisError):
    """Stop and say what to set."""


TRANSIENT = (
    Transient,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.QueryCanceledError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is being promoted
    asyncpg.InvalidCachedStatementError,  # a migration changed a table under a prepared statement
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InternalClientError,  # a connection cut at the wrong moment: "another operation is in progress"
)
"""What is retried without blaming a record: the database is away, full, restarting or busy."""
