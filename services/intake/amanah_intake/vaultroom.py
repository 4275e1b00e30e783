"""What may be asked of the vault from inside: a contact at the moment of use, and erasure. Every reading is recorded."""

import json
from uuid import UUID

from amanah_chassis.chassis import Chassis
from amanah_intake import metrics, store
from amanah_intake.filing import Intake
from amanah_intake.vault import IDENTITY


async def contact(
    intake: Intake, chassis: Chassis, complaint_id: UUID, reader: str, purpose: str
) -> dict[str, str] | None:
    """E-mail and language; None when the citizen left none, or it was erased. Recorded before it is handed over."""
    async with intake.reading, chassis.transaction() as tx:
        kept = await store.contact(tx.db, complaint_id)
        email = _email(intake, complaint_id, kept) if kept else None
        await store.record_read(tx.db, complaint_id, reader, purpose, email is not None, tx.now)
    metrics.IDENTITY_READS.labels(reader, "yes" if email else "no").inc()
    return {"email": email, "language": kept.language} if kept and email else None


def _email(intake: Intake, complaint_id: UUID, kept: store.Contact) -> str | None:
    if kept.sealed_identity is None or kept.wrapped_key is None:
        return None
    identity = intake.vault.unwrap(complaint_id, kept.wrapped_key).open(IDENTITY, kept.sealed_identity)
    email: str | None = json.loads(identity).get("email")
    return email


async def erase(chassis: Chassis, complaint_id: UUID) -> bool:
    """Deletes the complaint's data key; False when there is no such complaint."""
    async with chassis.transaction() as tx:
        return await store.erase(tx.db, complaint_id, tx.now)
