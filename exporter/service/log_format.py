"""Forms of a line of the log: plain text, logfmt or JSON."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

LINE_FORMAT = "%(asctime)s %(levelname)s %(message)s"

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+%<>,()[]")


def event(log: logging.Logger, level: int, event_name: str, /, **fields: object) -> None:
    """Log an event with its fields: as `name key=value ...`, or as fields of their own."""
    if log.isEnabledFor(level):
        text = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        log.log(level, "%s %s", event_name, text, extra={"event": event_name, "fields": fields})


def _quoted(value: object) -> str:
    """A value in a plain line; with quotes around it where it has white space."""
    text = str(value)
    return repr(text) if any(map(str.isspace, text)) else text


def formatter(form: str) -> logging.Formatter:
    """Return the formatter of `text`, `logfmt` or `json`."""
    return {"logfmt": _LogfmtFormatter, "json": _JsonFormatter}.get(form, _TextFormatter)()


class _TextFormatter(logging.Formatter):
    """Reads the calendar once a second: that is a quarter of the cost of a line."""

    def __init__(self) -> None:
        super().__init__(LINE_FORMAT)
        self._second = -1
        self._text = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - overrides
        second = int(record.created)
        if second != self._second:
            self._text = time.strftime(self.default_time_format, self.converter(second))
            self._second = second
        return f"{self._text},{int(record.msecs):03}"


class _FieldsFormatter(logging.Formatter):
    """One line of fields: time in UTC, level, logger, then those of the event or the message."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        name = getattr(record, "event", None)
        fields |= {"message": record.getMessage()} if name is None else {"event": name}
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self.line(fields)

    def line(self, fields: Mapping[str, Any]) -> str:
        """Write the fields as one line."""
        raise NotImplementedError


class _LogfmtFormatter(_FieldsFormatter):
    def line(self, fields: Mapping[str, Any]) -> str:
        return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())


class _JsonFormatter(_FieldsFormatter):
    def line(self, fields: Mapping[str, Any]) -> str:
        return json.dumps({key: _simple(value) for key, value in fields.items()})


def _simple(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _logfmt(value: object) -> str:
    """A value as it stands behind the equals sign; in quotes unless it is a plain word."""
    text = "" if value is None else str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text)
