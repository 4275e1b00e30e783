"""The checker shares nothing with what it judges."""

import subprocess
import sys

LOOK = """
import sys
import amanah.faultlab.checker
print("\\n".join(sorted(name.partition(".")[0] for name in sys.modules if name.startswith("amanah_"))))
print("\\n".join(name for name in ("asyncpg", "aiokafka", "confluent_kafka", "psycopg", "httpx") if name in sys.modules))
"""


def test_it_imports_no_code_of_services_contracts_or_chassis_and_no_client_of_anything() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
