"""Cases of arrived copies: fetched over IMAP, examined, their keys looked up in the DNS."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from exporter.selftest.case import Case, Copy, Told, telling
from exporter.selftest.execution import PLACE
from exporter.selftest.fixtures import DOMAIN, IMAP_HOST, PASSWORD, USER, Props
from exporter.selftest.mx_cases import FIRST
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.imap import OK
from exporter.testbed.servers.keys import key_record
from exporter.testbed.servers.script import Say, Send, Step
from exporter.testbed.servers.world import Mailbox, WorldSpec
from probes.canary.hops import OurTimes
from probes.canary.message import MessageOptions, compose
from probes.mailboxes.imap.watch import ImapMailbox
from probes.options import Domain, EmailAddress, Host, Secret
from probes.records.raw_message import MAX_MESSAGE
from probes.result import Status

AUTHOR = "sender.test"
SELECTOR = "s1"
RECEIVER = "reader.test"
TARGET = ImapMailbox(Host(IMAP_HOST), USER, Secret(PASSWORD))
_KEY_NAME = f"{SELECTOR}._domainkey.{AUTHOR}"
_PASSED = f"dkim=pass header.d={AUTHOR} header.s={SELECTOR}; dmarc=pass"
_BROKEN, _DISAGREES = "arrival.dkim.broken", "arrival.dkim.receiver_disagrees"
_CHANGED, _FORM = Status.WARNING, Status.INFO


@dataclass(frozen=True, slots=True)
class _Way:
    """A canary's way: the sent message, and how its copy comes to be read."""

    props: Props
    sent: bytes
    now: datetime
    key: str
    faults: Faults

    def case(
        self,
        name: str,
        arrived: bytes,
        *told: str | Told,
        answer: tuple[Step, ...] | None = None,
        times: OurTimes | None = None,
    ) -> Case:
        """The copy `arrived`; `answer` is the server's answer instead of it."""
        server = Mailbox(
            {"UID FETCH": answer or _whole(arrived)}, context=self.props.server.context
        )
        zones = {"test": "", DOMAIN: f"imap A {FIRST}\n", AUTHOR: self.key}
        spec = WorldSpec(
            trust=self.props.trust, zones=zones, faults=self.faults, servers={FIRST: server}
        )
        expected = telling(*told)
        return Case(
            area="evidence",
            name=name,
            spec=spec,
            act=Copy(TARGET, self.sent, times or OurTimes()),
            expected=expected,
            is_healthy=not expected,
        )

    def relayed(
        self, content: bytes, verdict: str | None = None, *, late: float = 0.0, on_top: bytes = b""
    ) -> bytes:
        """As the receiver's host hands it on: its trace, `late` seconds off, and its verdict."""
        stamp = format_datetime(self.now + timedelta(seconds=late))
        received = f"Received: from out.test by mx.{RECEIVER} with ESMTP id 1;\r\n\t{stamp}\r\n"
        results = "" if verdict is None else f"Authentication-Results: {RECEIVER}; {verdict}\r\n"
        stored = f"Received: from mx.{RECEIVER} by store.{RECEIVER} with LMTP; {stamp}\r\n"
        head = on_top + stored.encode() + results.encode() + received.encode()
        return head + content


def evidence_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    now = datetime.now(UTC)
    canary = compose(
        MessageOptions(
            EmailAddress(f"out@{AUTHOR}"),
            EmailAddress(f"in@{RECEIVER}"),
            text="See http://one.test/a and http://two.test/b for more.",
            dkim_domain=Domain(AUTHOR),
            dkim_selector=SELECTOR,
            dkim_key=Secret(props.signing_key),
        ),
        PLACE.token,
        now,
    )
    way = _Way(props, canary.content, now, key_record(SELECTOR, props.signing_record), {})
    yield way.case("a copy came through whole", way.relayed(way.sent, _PASSED))
    yield way.case("a copy came through whole, and nobody judged it", way.relayed(way.sent))
    yield from _signatures(way)
    yield from _verdicts(way)
    yield from _reading(way)
    yield from _header_changes(way)
    yield from _body_changes(way)
    yield from _unsigned(replace(way, sent=_without_signature(canary.content)))


def _without_signature(content: bytes) -> bytes:
    """The signature stands first, and its last line ends where the next field begins."""
    return content[content.index(b"\r\nFrom: ") + 2 :]


def _whole(octets: bytes) -> tuple[Step, ...]:
    said = b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]<0> {%d}\r\n%s)\r\n"
    return (Send(said % (len(octets), len(octets), octets.replace(b"{tag}", b""))), OK)


def _signatures(way: _Way) -> Iterator[Case]:
    """Keys and signatures with a defect."""
    copy = way.relayed(way.sent)
    for name, record in (
        ("is gone", None),
        ("was revoked", "v=DKIM1; p="),
        ("is no key", "v=DKIM1; p=AAAA"),
        ("is too small", way.props.tiny_record),
    ):
        key = "" if record is None else key_record(SELECTOR, record)
        yield replace(way, key=key).case(f"the signature's key {name}", copy, "arrival.dkim.key")
    unusable = "arrival.dkim.unusable"
    failing: Mapping[tuple[str, str], DnsFault] = {
        (_KEY_NAME, "TXT"): DnsFault(Misbehaviour.SERVFAIL)
    }
    yield replace(way, faults=failing).case(
        "the signature's key cannot be looked up", copy, (unusable, Status.UNTESTABLE)
    )
    for name, before, after in (
        ("of an obsolete kind", b"a=rsa-sha256", b"a=rsa-sha1"),
        ("of an unknown kind", b"a=rsa-sha256", b"a=rsa-sha9"),
    ):
        signed = way.sent.replace(before, after)
        case = replace(way, sent=signed)
        yield case.case(f"the signature is {name}", way.relayed(signed), (unusable, Status.WARNING))


def _verdicts(way: _Way) -> Iterator[Case]:
    """The results that the receiver, a filter or a relay wrote into the message."""
    failed = f"dkim=temperror header.d={AUTHOR}; dmarc=fail"
    yield way.case(
        "the receiver could not get the key",
        way.relayed(way.sent, failed),
        _DISAGREES,
        "arrival.dmarc.receiver_disagrees",
    )
    forged = f"Authentication-Results: {RECEIVER}; dmarc=pass\r\n".encode()
    yield way.case(
        "somebody vouched in the receiver's name",
        way.relayed(b"Received: from x by out.test with ESMTP\r\n" + forged + way.sent, _PASSED),
        "arrival.authentication.forged",
    )
    spam = b"X-Spam-Status: Yes, score=8.1 required=5.0 tests=GTUBE\r\n"
    yield way.case(
        "a filter calls it spam", way.relayed(way.sent, on_top=spam), "arrival.spam.marked"
    )
    ham = spam.replace(b"Yes, score=8.1", b"No, score=0.1")
    yield way.case("a filter calls it good", way.relayed(way.sent, on_top=ham))
    seen = OurTimes(way.now, way.now, way.now, way.now + timedelta(seconds=3))
    yield way.case("all clocks are right", way.relayed(way.sent), times=seen)
    yield way.case(
        "the receiver's clock is wrong",
        way.relayed(way.sent, late=55),
        "arrival.clock.skewed",
        times=seen,
    )


def _reading(way: _Way) -> Iterator[Case]:
    """Copies that are not had, not whole, or prove more than is kept."""
    copy = way.relayed(way.sent)
    gone = (Say("{tag} OK done"),)
    yield way.case("the copy is gone", copy, "arrival.copy.unread", answer=gone)
    refused = (Say("{tag} NO not yours"),)
    yield way.case("the server refuses the copy", copy, "arrival.copy.unread", answer=refused)
    header = copy.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    said = b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]<0> {1}\r\nx BODY[HEADER]<0> {%d}\r\n%s)\r\n"
    large = (Send(said % (MAX_MESSAGE + 1, len(header), header)), OK)
    yield way.case(
        "the copy is too large to be read", copy, "arrival.message.too_large", answer=large
    )
    loop = b"Received: by %d.test (" + b"x" * 40_000 + b"); Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    looped = b"".join(loop % number for number in range(20))
    yield way.case("the copy went round and round", looped + way.sent, "arrival.evidence.shortened")


def _altered(kind: str, status: Status) -> Told:
    return f"arrival.altered.{kind}", status


def _header_changes(way: _Way) -> Iterator[Case]:
    for name, before, after, kind, breaks in (
        (
            "a prefix is put before the subject",
            b"Subject: Mail",
            b"Subject: [EXT] Mail",
            "subject_changed",
            True,
        ),
        ("the recipient's field is another", b"To: <in@", b"To: <other@", "header_changed", True),
        (
            "a field that is not signed is gone",
            b"X-Auto-Response-Suppress: All\r\n",
            b"",
            "header_removed",
            False,
        ),
        (
            "the subject is encoded anew",
            b"Subject: Mail path",
            b"Subject: =?utf-8?q?Mail_path?=",
            "header_reencoded",
            True,
        ),
    ):
        status = _CHANGED
        broke = (_BROKEN,) if breaks else ()
        copy = way.relayed(way.sent.replace(before, after))
        yield way.case(f"on the way {name}", copy, *broke, _altered(kind, status))
    folded = way.sent.replace(b"Subject: Mail path", b"Subject: Mail\r\n path")
    yield way.case(
        "on the way the subject is folded anew",
        way.relayed(folded),
        _altered("header_refolded", _FORM),
    )
    both = folded.replace(b"To: <in@", b"To: <other@")
    yield way.case(
        "on the way the subject is folded anew and a field changed",
        way.relayed(both),
        _BROKEN,
        _altered("header_refolded", _CHANGED),
        _altered("header_changed", _CHANGED),
    )
    twice = way.relayed(b"Subject: another\r\n" + way.sent)
    yield way.case(
        "on the way a second subject comes", twice, _altered("header_duplicated", _CHANGED)
    )


def _body_changes(way: _Way) -> Iterator[Case]:
    header, _, body = way.sent.partition(b"\r\n\r\n")
    blank = b"\r\n\r\n"
    for name, content, kind in (
        ("a footer is added", way.sent + b"-- \r\nThe list\r\n", "footer_added"),
        (
            "a warning is put before the text",
            header + blank + b"CAUTION\r\n" + body,
            "banner_added",
        ),
        ("the end is lost", way.sent[:-40], "body_truncated"),
        ("the text becomes another", header + blank + b"else\r\n", "body_changed"),
        (
            "a link is rewritten",
            way.sent.replace(b"http://one.test/a", b"https://safe.test/?u=one"),
            "links_rewritten",
        ),
        (
            "the body is encoded anew",
            header.replace(b"Encoding: 7bit", b"Encoding: base64")
            + blank
            + base64.encodebytes(body).replace(b"\n", b"\r\n"),
            "reencoded",
        ),
    ):
        copy = way.relayed(content)
        yield way.case(f"on the way {name}", copy, _BROKEN, _altered(kind, _CHANGED))
    spaced = way.sent.replace(b" is an ", b"  is an ") + b"\r\n"
    yield way.case(
        "on the way white space changes",
        way.relayed(spaced),
        _altered("white_space_changed", _FORM),
    )
    parted = header + blank + body.replace(b"\r\n", b"\r\n\r\n", 1)
    yield way.case(
        "on the way an empty line comes into the text",
        way.relayed(parted),
        _BROKEN,
        _altered("white_space_changed", _CHANGED),
    )
    wrapped = header.replace(b"text/plain; charset=utf-8", b'multipart/mixed; boundary="b"')
    part = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    content = wrapped + blank + b"--b\r\n" + part + body + b"NOTICE\r\n--b--\r\n"
    yield way.case(
        "on the way the message is wrapped with a notice",
        way.relayed(content),
        _BROKEN,
        _altered("wrapped", _CHANGED),
        _altered("footer_added", _CHANGED),
    )
    footer = way.relayed(way.sent + b"footer\r\n", _PASSED)
    yield way.case(
        "a footer is added behind the receiver's verdict",
        footer,
        _BROKEN,
        _DISAGREES,
        "arrival.dmarc.receiver_disagrees",
        _altered("footer_added", _CHANGED),
    )


def _unsigned(way: _Way) -> Iterator[Case]:
    """A change that breaks a signature is harmless where there is none."""
    header, _, body = way.sent.partition(b"\r\n\r\n")
    yield way.case("an unsigned copy came through whole", way.relayed(way.sent))
    encoded = header.replace(b"Encoding: 7bit", b"Encoding: base64") + b"\r\n\r\n"
    encoded += base64.encodebytes(body).replace(b"\n", b"\r\n")
    yield way.case(
        "on the way an unsigned body is encoded anew",
        way.relayed(encoded),
        _altered("reencoded", _FORM),
    )
    subject = way.sent.replace(b"Subject: Mail path", b"Subject: =?utf-8?q?Mail_path?=")
    yield way.case(
        "on the way an unsigned subject is encoded anew",
        way.relayed(subject),
        _altered("header_reencoded", _FORM),
    )
