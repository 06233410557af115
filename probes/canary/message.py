"""The canary: composition of an unforgeable test message, and its recognition on arrival."""

import base64
import quopri
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from itertools import islice

from probes.canary.envelope import DsnRequest, dsn_request, tagged_sender
from probes.options import Domain, EmailAddress, Secret, option
from probes.records.bounces.dsn import parse_dsn
from probes.records.bounces.text import is_mail_system
from probes.records.mime_parts import (
    MAX_HEADER,
    Header,
    Part,
    decode_words,
    media_type,
    parse_fields,
    read_parts,
)
from probes.records.signatures.dkim_signing import sign

MARKER = "mailcanary-"
"""The prefix of every token, so that a server-side search finds canaries and little else."""

TOKEN_HEADER = "X-Mailcanary"  # noqa: S105 - a header field name

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest canary that can be configured."""

SITE_PATTERN = "[a-z0-9]{1,16}"
"""Pattern of a site's name, which stands in the tokens of its monitor: `mailcanary-SITE-...`."""

_TOKEN_TEXT = rb"mailcanary-(?:[a-z0-9]{1,16}-)?[a-z2-7]{26}"
_TOKEN = re.compile(_TOKEN_TEXT, re.IGNORECASE)
_OWN_LINE = re.compile(rb"Token:\s{0,8}(%b)" % _TOKEN_TEXT, re.IGNORECASE)
"""Our line of the body; a notice that quotes the subject does not contain it."""

_OWN_FIELD = re.compile(
    rb"^(?:X-Mailcanary|Message-ID):[ \t]*(?:\r?\n[ \t]+)?<?(%b)(?![a-z2-7])" % _TOKEN_TEXT,
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_FIELDS = ("in-reply-to", "references")
_MAX_TEXT_PARTS = 16
_MAX_ENCLOSED = 4
"""Enclosed messages that are searched: some filters pass suspicious mail on as a part."""

_SIGNED_FIELDS = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    TOKEN_HEADER.lower(),
)


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """The form of a path's canaries."""

    mail_from: EmailAddress = option("Envelope sender; bounces come back to it.")
    rcpt_to: EmailAddress = option("Envelope recipient: the address of the watched mailbox.")
    header_from: EmailAddress | None = option(
        "Author address (From); the envelope sender if unset.", None
    )
    subject: str = option("Subject; the token is added to it.", "Mail path test")
    text: str = option("Additional body text, for instance to make a filter react.", "")
    size: int = option("Pad the message to at least this many bytes.", 0)
    dsn: bool = option(
        "Ask servers that offer it (RFC 3461) to report a canary that was refused or delayed, and "
        "to name it.",
        True,
    )
    verp: bool = option(
        "Give each canary an envelope sender of its own, `user+TOKEN@domain`, by which any bounce "
        "is known; the mailbox has to take mail for tagged addresses.",
        False,
    )
    dkim_domain: Domain | None = option("Sign with DKIM for this domain (d=).", None)
    dkim_selector: str | None = option("DKIM selector (s=).", None)
    dkim_key: Secret | None = option("DKIM private key, RSA in PEM.", None)


@dataclass(frozen=True, slots=True)
class Canary:
    """One composed test message; `content` has CRLF line ends and no dot-stuffing.

    `dsn` is the request to servers that offer DSN, None for no request.
    """

    token: str
    message_id: str
    mail_from: EmailAddress
    rcpt_to: EmailAddress
    content: bytes
    dsn: DsnRequest | None = None


def new_token(site: str = "") -> str:
    """A new unguessable token (128 random bits) in an alphabet that survives case folding."""
    random = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return f"{marker_of(site)}{random}"


def marker_of(site: str) -> str:
    """Return the beginning of every token of a site; "" is the monitor without a name."""
    return f"{MARKER}{site}-" if site else MARKER


def site_of(token: str) -> str:
    """Return the site in a token, "" where it has none."""
    return token.removeprefix(MARKER).rpartition("-")[0]


def compose(options: MessageOptions, token: str, now: datetime) -> Canary:
    """Compose the canary with `token`.

    The token is in a header field of its own, in the Message-ID, in the subject and in the body:
    relays rewrite each of them. Raises ValueError for a DKIM key that cannot sign, for a size above
    MAX_MESSAGE_BYTES and for a sender that cannot have a tag (`verp`).
    """
    if options.size > MAX_MESSAGE_BYTES:
        raise ValueError(f"size {options.size} is above {MAX_MESSAGE_BYTES} bytes")
    domain = options.mail_from.rpartition("@")[2]
    message_id = f"<{token}@{domain}>"
    fields = [
        ("From", f"<{options.header_from or options.mail_from}>"),
        ("To", f"<{options.rcpt_to}>"),
        ("Subject", f"{_encoded(options.subject)} [{token}]"),
        ("Date", format_datetime(now)),  # RFC 5322 §3.3
        ("Message-ID", message_id),
        ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
        ("X-Auto-Response-Suppress", "All"),
        (TOKEN_HEADER, token),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "7bit" if options.text.isascii() else "quoted-printable"),
    ]
    header = "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    content = _padded(header, _body(options.text, token), options)
    if options.dkim_domain and options.dkim_selector and options.dkim_key:
        key = options.dkim_key
        content = _signed(content, options.dkim_domain, options.dkim_selector, key, now)
    return Canary(
        token,
        message_id,
        tagged_sender(options.mail_from, token) if options.verp else options.mail_from,
        options.rcpt_to,
        content,
        dsn_request(token, options.rcpt_to) if options.dsn else None,
    )


def recognise(header: bytes) -> str | None:
    """The token of the canary with this header; None for any other message.

    Our own field or Message-ID is decisive. A subject alone does not count in an answer to a
    canary, in a report about one, or in mail from a mail system. Mail systems copy the subject of
    returned mail.
    """
    top = _top(header[:MAX_HEADER])
    own = _OWN_FIELD.search(top)
    if own is not None:
        return own[1].decode().lower()
    fields = parse_fields(top.decode("utf-8", "replace"))
    if _is_answer(fields) or _is_from_mail_system(fields):
        return None
    return find_token(decode_words(fields.get("subject")).encode("utf-8", "replace"))


def recognise_body(message: bytes) -> str | None:
    """The token in the text of a message without a trace of it in the header.

    `message` is header and body, or the part of them that was fetched. None for answers, reports,
    bounces that return the canary, and messages without a token.
    """
    parts = read_parts(message)
    if _is_answer(parts[0].header) or parse_dsn(message) is not None:
        return None
    texts = islice(_texts(parts, _MAX_ENCLOSED), _MAX_TEXT_PARTS)
    found = next(filter(None, map(_OWN_LINE.search, texts)), None)
    return found[1].decode().lower() if found is not None else None


def _top(header: bytes) -> bytes:
    """The header up to the first empty line."""
    return header.partition(b"\r\n\r\n")[0].partition(b"\n\n")[0] + b"\n"


def _is_answer(fields: Header) -> bool:
    if any(fields.get(name) for name in _ANSWER_FIELDS):
        return True
    if fields.get("auto-submitted").lower().startswith(("auto-replied", "auto-notified")):
        return True
    kind, _ = media_type(fields.get("content-type"))
    return kind in ("multipart/report", "message/delivery-status")


def _is_from_mail_system(fields: Header) -> bool:
    """True for mail from a mail system.

    The sign is its name, or the empty return path of every bounce (RFC 5321 §6.1).
    """
    return fields.get("return-path") == "<>" or is_mail_system(fields.get("from").lower())


def _texts(parts: Iterable[Part], deeper: int) -> Iterator[bytes]:
    """The decoded text parts in order, those of enclosed messages among them."""
    for part in parts:
        if part.media_type.startswith("text/"):
            yield part.content()
        elif part.media_type == "message/rfc822" and deeper:
            yield from _texts(read_parts(part.content()), deeper - 1)


def find_token(text: bytes) -> str | None:
    """The first token anywhere in a text, in lower case."""
    match = _TOKEN.search(text)
    return match[0].decode().lower() if match is not None else None


def _encoded(subject: str) -> str:
    """The subject as unstructured text, RFC 2047 encoded if it is not ASCII."""
    subject = " ".join(subject.split())
    if subject.isascii():
        return subject
    words = [subject[i : i + 12] for i in range(0, len(subject), 12)]
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word.encode()).decode()}?=" for word in words)


def _body(text: str, token: str) -> str:
    lines = [
        "This is an automatic test message of a mail path. Nobody needs to read or answer it.",
        f"Token: {token}",
    ]
    if text:
        encoded = text if text.isascii() else quopri.encodestring(text.encode()).decode()
        lines += ["", *encoded.splitlines()]
    return "".join(f"{line}\r\n" for line in lines)


def _padded(header: str, body: str, options: MessageOptions) -> bytes:
    content = (header + body).encode("ascii")
    missing = options.size - len(content)
    if missing <= 0:
        return content
    line = b"x" * 76 + b"\r\n"
    return content + b"\r\n" + line * -(-missing // len(line))


def _signed(content: bytes, domain: str, selector: str, key: Secret, now: datetime) -> bytes:
    try:
        signature = sign(
            content,
            _SIGNED_FIELDS,
            domain=domain,
            selector=selector,
            key_pem=key.reveal(),
            at=now,
        )
    except ValueError as error:
        raise ValueError(f"cannot sign for {domain} with selector {selector}: {error}") from error
    return signature + content
