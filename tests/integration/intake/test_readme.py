"""The commands of intake's README are run as they stand."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlparse

import pytest
from tests.support.process import ServiceProcess

README = Path(__file__).parents[3] / "services" / "intake" / "README.md"


def test_every_command_of_the_readme_works(intake: ServiceProcess, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    script = tmp_path / "readme.sh"
    script.write_text("set -eu\n" + "\n".join(blocks) + '\necho; echo "$COMPLAINT"\n')
    told = {"INTAKE": intake.url, "TOKEN_FILE": str(intake.secrets.token()), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(["sh", script], env=told, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status":"submitted"' in done.stdout
    assert '{"email":"citizen@example.org","language":"id"}' in done.stdout
    complaint = done.stdout.split()[-1]
    [(erased,)] = intake.sql("select erased_at is not null from intake_complaint where id = %s", complaint)
    assert erased


def test_the_port_of_the_readme_is_the_one_of_amanah_up() -> None:
    from amanah.commands.up import WELL_KNOWN
    from amanah.embedded.services import SERVICES

    [address] = re.findall(r"INTAKE:-(\S+)}", README.read_text())
    assert urlparse(address).port == WELL_KNOWN + 1 + SERVICES.index("intake")


def test_the_published_term_is_the_one_that_is_set() -> None:
    from amanah_intake.settings import IntakeSettings

    [days] = re.findall(r"remembered for at least (\d+) days", README.read_text())
    assert IntakeSettings.model_fields["idempotency_days"].default == int(days)


@pytest.mark.parametrize("direction", ["consumes", "produces"])
def test_the_readme_lists_what_the_tables_say(direction: str) -> None:
    from amanah_intake import app

    [row] = re.findall(rf"^\| {direction} \|(.*)\|$", README.read_text(), flags=re.MULTILINE)
    stems = {event.stem for event in (app.CONSUMES if direction == "consumes" else app.PRODUCES)}
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", row)) - {"amanah.complaints"} == stems
