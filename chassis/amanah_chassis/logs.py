"""JSON logs: ids, counts and reasons; never a payload."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            # The type and the place, not the text: an error's text may quote the data that caused it.
            error, trace = record.exc_info[1], record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            line["error"] = type(error).__name__
            if trace is not None:
                line["where"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        return json.dumps(line, default=str, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    """asyncio quotes futures, and with them the texts of errors, so of its messages only the beginning is taken."""
    message = record.getMessage().strip()
    return re.split(r"[\n<(]", message, maxsplit=1)[0].strip() if record.name == "asyncio" else message


def configure(service: str, level: str) -> None:
    """Sends every logger's lines to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("aiokafka", "uvicorn.access", "httpx", "faststream"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def logger(name: str) -> logging.Logger:
    """A logger; give fields with `extra={...}`."""
    return logging.getLogger(name)
