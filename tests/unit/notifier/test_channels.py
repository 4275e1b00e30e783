"""What is sent over the wire, and what an answer means; nothing is connected here."""

import json
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import default
from uuid import UUID

import aiosmtplib
import pytest
from standardwebhooks import Webhook
from tests.unit.notifier.support import environment

from amanah_notifier import app, mail, webhook
from amanah_notifier.domain import Channel
from amanah_notifier.guard import is_allowed
from amanah_notifier.schedule import Accepted, GiveUp, TryAgain
from amanah_notifier.store import Claimed

AT = datetime(2026, 3, 17, 17, 0, 30, tzinfo=UTC)
CATALOGUE = app.read_pack(environment()).catalogue  # type: ignore[arg-type]
NOTICE = Claimed(
    id=UUID("018f4e6a-0000-7000-8000-0000000000aa"),
    complaint_id=UUID("018f4e6a-0000-7000-8000-000000000001"),
    stem="deadline.breached",
    about="deadline.breached.v1",
    recipient="agency:dot",
    agency="dot",
    stage="given",
    channel=Channel.WEBHOOK,
    address="https://notices.example/agency/dot",
    lane="notices.example",
    template="deadline.breached.office",
    facts={
        "tracking_code": "AMN-7K2",
        "agency": "dot",
        "stage": "given",
        "threshold": "due",
        "due_at": "2018-03-05T14:30:00+00:00",
        "breached_at": "2018-03-05T14:30:00+00:00",
        "detected_at": "2018-03-05T14:30:00+00:00",
        "source_ref": "",
    },
    traceparent=None,
    attempts=0,
    claims=1,
    claimed_at=AT,
    gone=False,
    overtaken=False,
)


def test_a_webhook_s_body_is_thin_and_flat() -> None:
    body = json.loads(webhook.body(NOTICE, CATALOGUE))
    assert body.pop("text").keys() == {"en"}
    assert body == {
        "type": "deadline.breached.v1",
        "notice_id": str(NOTICE.id),
        "complaint_id": str(NOTICE.complaint_id),
        "recipient": "agency:dot",
        **{name: value for name, value in NOTICE.facts.items() if value},
    }


def test_a_signature_is_of_the_attempt_s_instant_in_any_zone() -> None:
    signer, content = Webhook("whsec_" + "QUJD" * 8), b'{"a": 1}'
    headers = webhook.signed(signer, NOTICE, content, AT.astimezone(timezone(timedelta(hours=8))))
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert headers["webhook-id"] == str(NOTICE.id)
    assert headers["webhook-signature"] == signer.sign(str(NOTICE.id), AT, content.decode())


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Accepted()),
        (204, Accepted()),
        (301, TryAgain("http 301")),
        (308, TryAgain("http 308")),
        (400, TryAgain("http 400")),
        (410, GiveUp("http 410", gone=True)),
        (429, TryAgain("http 429", 9)),
        (500, TryAgain("http 500")),
        (503, TryAgain("http 503", 9)),
    ],
)
def test_what_an_answer_by_web_means(status: int, outcome: object) -> None:
    assert webhook.judge(status, {b"retry-after": b"9"}) == outcome


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (aiosmtplib.SMTPDataError(451, "mailbox nobody@example.org is busy"), TryAgain("smtp 451")),
        (aiosmtplib.SMTPDataError(554, "no"), GiveUp("smtp 554")),
        (
            aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(550, "no", "nobody@example.org")]),
            GiveUp("smtp 550"),
        ),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), TryAgain("relay_refused_us")),
        (aiosmtplib.SMTPServerDisconnected("gone"), TryAgain("connection")),
        (aiosmtplib.SMTPConnectTimeoutError("slow"), TryAgain("timeout")),
        (TimeoutError(), TryAgain("timeout")),
        (ConnectionRefusedError(), TryAgain("connection")),
    ],
)
def test_what_an_answer_by_mail_means(failure: Exception, outcome: object) -> None:
    assert mail.judge(failure) == outcome


def composed(address: str = "desk@example.org", sender: str = "Amanah <amanah@example.org>", languages=("en", "id")):
    return mail.compose(NOTICE, address, AT, sender, CATALOGUE, languages)


@pytest.mark.parametrize("subject", ["Short", "A word more " * 9, "Tertunda – é", "x" * 80])
def test_a_header_taken_as_it_is_leaves_the_same_bytes_as_one_that_was_parsed(
    subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(CATALOGUE), "subject", lambda *_: subject)
    quick = composed(languages=("en",)).as_bytes()
    monkeypatch.setattr(mail, "_POLICY", default)
    assert composed(languages=("en",)).as_bytes() == quick


def test_a_mail_bears_the_stable_id_and_speaks_the_languages_asked_for() -> None:
    read = message_from_bytes(composed().as_bytes())
    assert read["Message-ID"] == "<018f4e6a-0000-7000-8000-0000000000aa@example.org>"
    assert read["X-Amanah-Notice"] == str(NOTICE.id)
    assert read["X-Amanah-Template"] == "deadline.breached.office@1"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Content-Language"] == "en, id"
    assert composed(languages=("id",))["Subject"] == "Tenggat terlampaui: pengaduan AMN-7K2, tahap given"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b@c",
        "a@example.org, b@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org\n",
        "a\0@example.org",
        "A <a@example.org>",
        "(x)a@example.org",
        "a @example.org",
        "group: a@example.org;",
    ],
)
def test_nothing_but_one_plain_address_becomes_a_header(address: str) -> None:
    with pytest.raises(mail.Unsafe):
        composed(address)


@pytest.mark.parametrize("text", ["x\r\nBcc: y@example.org", "x\ny", "x\ry", "x\0y"])
def test_a_line_break_or_nul_in_any_header_is_refused(text: str) -> None:
    with pytest.raises(mail.Unsafe):
        composed(sender=f"{text} <amanah@example.org>")


NOT_GLOBAL = """
127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1
169.254.169.254 169.254.0.1 100.64.0.1 100.127.255.255 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ::1 :: ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1 ::127.0.0.1 ::7f00:1 64:ff9b::127.0.0.1
64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::1 2002:a9fe:a9fe::1 2001:0:7f00:1::1 fc00::1 fd00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2001:db8::1 100::1 2001:2::1 2001:10::1 0177.0.0.1
2130706433 0x7f000001 127.1 localhost metadata.internal 1.1.1.1.example
""".split()


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_addresses_that_are_not_global_are_refused(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111"])
def test_global_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)
