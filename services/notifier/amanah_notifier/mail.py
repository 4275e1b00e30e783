"""One attempt by e-mail through the relay. Headers hold only words of this system and its pack, never text from outside."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from types import TracebackType
from typing import Self

import aiosmtplib

from amanah_notifier.schedule import Accepted, GiveUp, Outcome, TryAgain
from amanah_notifier.settings import NotifierSettings
from amanah_notifier.store import Claimed
from amanah_notifier.words import Catalogue

_BREAKS_A_HEADER = re.compile(r"[\r\n\0]")
_PLAIN_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]+@[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]+")
_LINE = 76
"""Characters of a header that need not be folded."""
_FRESH_SECONDS = 5.0
"""An idle connection older than this may have been closed by the relay, so a new one is made."""


class Unsafe(ValueError):
    """A header's source holds a line break, a NUL or something that is not one plain address."""


class _Policy(EmailPolicy):
    """Takes a short header in ASCII as it is: to parse what we have just written was a sixth of the notifier's time."""

    def header_store_parse(self, name: str, value: str) -> tuple[str, str]:
        plain = value.isascii() and len(name) + len(value) < _LINE and not _BREAKS_A_HEADER.search(value)
        return (name, value) if plain else super().header_store_parse(name, value)


_POLICY = _Policy()


class MailSender:
    """`async with MailSender(...)`: keeps connections to the relay open between attempts."""

    def __init__(self, settings: NotifierSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []
        self._mailbox = parseaddr(settings.mail_from)[1]
        self._password = settings.smtp_password()
        settings.relay()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client, _ in self._idle:
            client.close()

    async def send(self, notice: Claimed, address: str, at: datetime, language: str | None) -> Outcome:
        """One attempt, at the real instant `at`, in the recipient's language or in all languages of the pack."""
        languages = self._catalogue.languages if language is None else (self._catalogue.choose(language),)
        try:
            message = compose(notice, address, at, self._settings.mail_from, self._catalogue, languages)
        except Unsafe:
            return GiveUp("unsafe_header", tried=False)
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(self._settings.send_timeout_seconds):
                client = await self._connection()
                await client.send_message(message, sender=self._mailbox, recipients=[address])
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as failure:
            return judge(failure)
        else:
            self._idle.append((client, asyncio.get_running_loop().time()))
            client = None
            return Accepted()
        finally:
            if client is not None:
                client.close()

    async def _connection(self) -> aiosmtplib.SMTP:
        oldest = asyncio.get_running_loop().time() - _FRESH_SECONDS
        while self._idle:
            client, since = self._idle.pop()
            if since >= oldest and client.is_connected:
                return client
            client.close()
        host, port = self._settings.relay()
        tls = self._settings.smtp_tls
        client = aiosmtplib.SMTP(
            hostname=host,
            port=port,
            use_tls=tls == "from_start",
            start_tls={"never": False, "required": True, "if_offered": None, "from_start": False}[tls],
            username=self._settings.smtp_user,
            password=self._password,
            timeout=self._settings.send_timeout_seconds,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client


def judge(failure: Exception) -> Outcome:
    """What a refusal means: 5xx is for good, all else may pass. Only the code is kept: a relay's words quote addresses."""
    if isinstance(failure, aiosmtplib.SMTPRecipientsRefused):
        failure = failure.recipients[0]
    if isinstance(failure, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPNotSupported):
        return TryAgain("relay_refused_us")  # our own settings are wrong, not the recipient's mailbox
    if isinstance(failure, aiosmtplib.SMTPResponseException):
        permanent = 500 <= failure.code < 600
        return GiveUp(f"smtp {failure.code}") if permanent else TryAgain(f"smtp {failure.code}")
    if isinstance(failure, TimeoutError):
        return TryAgain("timeout")
    return TryAgain("connection")


def compose(
    notice: Claimed, address: str, at: datetime, sender: str, catalogue: Catalogue, languages: Sequence[str]
) -> EmailMessage:
    """The mail of a notice: the same Message-ID at every attempt, so that a mailbox can drop a double. Raises Unsafe."""
    subject = " / ".join(catalogue.subject(notice.template, language, notice.facts) for language in languages)
    _, mailbox = parseaddr(sender)
    headers = {
        "From": sender,
        "To": _one_address(address),
        "Subject": subject,
        "Date": format_datetime(at),
        "Message-ID": f"<{notice.id}@{mailbox.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": ", ".join(languages),
        "X-Amanah-Notice": str(notice.id),
        "X-Amanah-Event": notice.about,
        "X-Amanah-Complaint": str(notice.complaint_id),
        "X-Amanah-Template": catalogue.reference(notice.template),
    }
    message = EmailMessage(_POLICY)
    # The body first: setting it drops every Content- header.
    message.set_content(
        "\n-- \n".join(catalogue.text(notice.template, language, notice.facts) for language in languages)
    )
    for name, value in headers.items():
        if _BREAKS_A_HEADER.search(value):
            raise Unsafe(name)
        try:
            message[name] = value
        except (ValueError, MessageError) as refused:
            raise Unsafe(name) from refused
    return message


def _one_address(text: str) -> str:
    if not _PLAIN_ADDRESS.fullmatch(text):
        raise Unsafe("To")
    return text
