"""Values that stand in a file or in the environment: secrets, and files as such."""

import os
import re
import stat
from pathlib import Path
from typing import Any

from exporter.config.problems import Refusal
from exporter.config.values import Reading, read_word
from probes.options import Secret

MAX_SECRET_BYTES = 64 * 1024
"""The largest file a secret may be read from."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def read_file_path(value: Any, reading: Reading) -> str:
    """The absolute path of a regular file that we may read."""
    path = _absolute(read_word(value, reading), reading)
    if not reading.is_lenient:
        _require_regular(path)
    return str(path)


def read_ledger_place(value: Any, reading: Reading) -> str:
    """An absolute path or a URL of the kind the ledger understands."""
    text = read_word(value, reading)
    scheme, is_url, _ = text.partition("://")
    if is_url and scheme != "sqlite":
        raise Refusal("must be a file or an sqlite:/// URL")
    return text if is_url else str(_absolute(text, reading))


def read_secret(value: Any, reading: Reading) -> Secret:
    """A literal, `${VARIABLE}` or `{file: PATH}`, without line ends behind it.

    A variable or a file often ends in one, and a file begins with a byte order mark: no server
    takes either for a part of the password.
    """
    if isinstance(value, dict):
        text = _from_file(value, reading)
    elif type(value) is not str:
        remedy = "put it in quotes, or write ${VARIABLE} or {file: PATH}"
        raise Refusal("must be text", remedy)
    elif "${" in value:
        text = _from_environment(value, reading)
    else:
        text = value
    if not reading.reads_secrets:
        return Secret("")
    text = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if not text:
        raise Refusal("is empty")
    if _NOT_TEXT.search(text):
        raise Refusal("is not text")
    return Secret(text)


def _from_environment(value: str, reading: Reading) -> str:
    match = _VARIABLE.fullmatch(value)
    if match is None:
        raise Refusal("must be one ${VARIABLE} and nothing else", "or keep it in {file: PATH}")
    if not reading.reads_secrets:
        return ""
    text = reading.environ.get(match[1])
    if text is None:
        raise Refusal(f"the environment variable {match[1]} is not set")
    if not text:
        raise Refusal(f"the environment variable {match[1]} is empty")
    return text


def _from_file(value: dict[str, Any], reading: Reading) -> str:
    """The content as it stands in the file."""
    if set(value) != {"file"}:
        raise Refusal("must be text, ${VARIABLE} or {file: PATH}")
    path = _absolute(read_word(value["file"], reading), reading)
    if not reading.reads_secrets:
        return ""
    _require_regular(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refusal(f"{path} is not UTF-8 text") from None
    if len(content) > MAX_SECRET_BYTES:
        raise Refusal(f"{path} is larger than {MAX_SECRET_BYTES} bytes")
    if not text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r"):
        raise Refusal(f"{path} is empty")
    return text


def _absolute(text: str, reading: Reading) -> Path:
    return (reading.directory / text).absolute()


def _require_regular(path: Path) -> None:
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}") from None
    if not is_regular:
        raise Refusal(f"{path} is not a regular file")
    if not os.access(path, os.R_OK):
        raise Refusal(f"cannot read {path}: Permission denied")
