"""The term of the idempotency keys, and the wrapping key without which intake does not start."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.integration.intake.support import COMPLAINT, Door, make_intake
from tests.support.process import ServiceProcess
from tests.support.stack import Embedded
from tests.support.wire import eventually


async def test_keys_are_forgotten_after_their_term_and_not_before(embedded: Embedded, tmp_path: Path) -> None:
    service = make_intake(embedded, tmp_path, instance="1", AMANAH_IDEMPOTENCY_PRUNE_SECONDS="0.05")
    service.start()
    try:
        async with Door(service) as door:
            old, young = await door.filed(key="of-last-week"), await door.filed(key="of-this-week")
            age = "update intake_idempotency set created_at = clock_timestamp() - %s::interval where complaint_id = %s"
            service.sql(age, "6 days 23 hours", young["complaint_id"])
            service.sql(age, "7 days 1 hour", old["complaint_id"])
            remembered = "select complaint_id from intake_idempotency"
            await eventually(lambda: len(service.sql(remembered)) == 1, "the old key to go")
            assert await door.filed(key="of-this-week") == young
            again = await door.filed(key="of-last-week")
            assert again["complaint_id"] != old["complaint_id"]
            assert (await door.status(old["tracking_secret"])).status_code == 200
    finally:
        service.stop()


def changed_key(path: Path) -> None:
    path.write_bytes(base64.b64encode(os.urandom(32)))


FAULTS = {
    "another key": (changed_key, "is not the key that this database was sealed with"),
    "no file": (lambda path: path.unlink(), "No such file"),
    "open to all": (lambda path: path.chmod(0o644), "others can read or change"),
    "no key in it": (lambda path: path.write_text("secret"), "must hold 32 bytes in base64"),
}


@pytest.fixture(scope="module")
def stopped(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """An intake that has filed a complaint and is not running."""
    service = make_intake(embedded, tmp_path_factory.mktemp("stopped"), instance="1")
    service.start()
    try:
        answer = httpx.post(f"{service.url}/complaints", json=COMPLAINT, headers={"Idempotency-Key": str(uuid4())})
        assert answer.status_code == 201
        yield service
    finally:
        service.stop()


@pytest.mark.parametrize("fault", FAULTS)
def test_without_the_right_key_it_says_so_in_one_line_and_ends(stopped: ServiceProcess, fault: str) -> None:
    stopped.stop()
    path = stopped.secrets.key()
    good = path.read_bytes()
    spoil, said = FAULTS[fault]
    try:
        spoil(path)
        code, output = stopped.run_to_its_end()
    finally:
        path.write_bytes(good)
        path.chmod(0o600)
    assert code == 2, output
    [line] = output.splitlines()
    assert line.startswith("amanah intake: AMANAH_KEY_FILE: ")
    assert said in line


def test_an_empty_service_token_is_refused_at_the_start(stopped: ServiceProcess) -> None:
    stopped.stop()
    stopped.secrets.token().write_text("\n")
    code, output = stopped.run_to_its_end()
    assert code == 2, output
    [line] = output.splitlines()
    assert line.startswith("amanah intake: AMANAH_SERVICE_TOKEN_FILE: ")
