"""Faults of IMAP servers, met by the mailbox `imap` while it waits for a canary."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from exporter.testbed.faults.fault import (
    HOSTS,
    Fault,
    ProbeUnderTest,
    ServerFactory,
    Verdict,
    broken,
    fine,
)
from exporter.testbed.faults.harness import ARRIVING, IDLING, delivered
from exporter.testbed.servers.certificates import Authority, foreign, self_signed
from exporter.testbed.servers.imap import GREETING, OK, Answers, ImapPeer
from exporter.testbed.servers.peer import FullQueue, NobodyThere
from exporter.testbed.servers.script import (
    SOUND,
    Close,
    Flood,
    HalfClose,
    Line,
    Read,
    Repeat,
    Say,
    Send,
    Steps,
    Wait,
)
from probes.result import Owner, Phase, Reason

_THEIRS = Owner.RECEIVER_MAILBOX
_connect = partial(broken, Phase.CONNECT)
_tls = partial(broken, Phase.TLS, owner=_THEIRS)
_greeting = partial(broken, Phase.GREETING, owner=_THEIRS)
_auth = partial(broken, Phase.AUTH)
_fetch = partial(broken, Phase.FETCH, owner=_THEIRS)


def imap_faults() -> Iterator[Fault]:
    """Every one of them."""
    for name, verdict, server in _BEFORE_A_WORD:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, verdict, server)
    for name, reason, context in _CERTIFICATES:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, _tls(reason), _showing(context))
    for name, verdict, acts in _GREETINGS:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, verdict, _saying({}, greeting=acts))
    for name, verdict, answers in _ANSWERS:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, verdict, _saying(answers))
    for name, verdict, answers in _CROWDS:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, verdict, _saying(answers), _FOR_CROWDS)
    for name, verdict, answers in _IDLES:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.IDLE, verdict, _saying({**IDLING, **answers}))
    chatter = (Say("+ idling"), Flood(b"* OK still here\r\n" * 99))
    yield Fault(
        "IMAP: IDLE is chatter without end",
        ProbeUnderTest.IDLE,
        _fetch(Reason.MALFORMED_REPLY),
        _saying({**IDLING, "IDLE": chatter}),
        _FOR_CROWDS,
    )
    for name, verdict, line in _LINES:
        yield Fault(f"IMAP: {name}", ProbeUnderTest.MAILBOX, verdict, _saying({}, line=line))


def _saying(answers: Answers, *, greeting: Steps = GREETING, line: Line = SOUND) -> ServerFactory:
    return lambda authority: ImapPeer(
        {**ARRIVING, **answers},
        greeting=greeting,
        context=authority.context(*HOSTS),
        implicit_tls=True,
        line=line,
    )


def _showing(context: Callable[[Authority], ssl.SSLContext]) -> ServerFactory:
    return lambda authority: ImapPeer(ARRIVING, context=context(authority), implicit_tls=True)


def _in_clear(*acts: Steps) -> ServerFactory:
    greeting = tuple(act for some in acts for act in some)
    return lambda _: ImapPeer(greeting=greeting)


_TEXT = b"A: " + b"b" * 39_995 + b"\r\n"


def _search(uids: Iterable[int]) -> bytes:
    return b"* SEARCH %s\r\n" % " ".join(map(str, uids)).encode()


def _opened(uid_validity: int) -> Steps:
    return (
        Say(
            "* 0 EXISTS",
            f"* OK [UIDVALIDITY {uid_validity}] valid",
            "* OK [UIDNEXT 1] next",
            "{tag} OK [READ-ONLY] open",
        ),
    )


def _binary_before_the_canary() -> Send:
    """Return a message of others with a binary header, then ours."""
    junk = bytes(range(256)) * 8
    other = b"* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n" % (len(junk), junk)
    return Send(other + delivered(2, 2).data)


_BEFORE_A_WORD: tuple[tuple[str, Verdict, ServerFactory], ...] = (
    (
        "nobody listens",
        _connect(Reason.CONNECTION_REFUSED, owner=_THEIRS),
        lambda _: NobodyThere(),
    ),
    (
        "the accept queue is full",
        _connect(Reason.TIMEOUT, owner=Owner.NETWORK),
        lambda _: FullQueue(),
    ),
    ("TLS is never begun", _tls(Reason.TIMEOUT), _in_clear((Wait(),))),
    ("the server speaks in clear", _tls(Reason.VALIDATION_FAILURE), _in_clear(GREETING)),
    ("the connection is the end", _tls(Reason.CONNECTION_CLOSED), _in_clear((Close(),))),
    ("TLS is the end", _tls(Reason.CONNECTION_CLOSED), _in_clear((Wait(0.05), Close()))),
)

_CERTIFICATES: tuple[tuple[str, Reason, Callable[[Authority], ssl.SSLContext]], ...] = (
    (
        "the certificate has expired",
        Reason.CERTIFICATE_EXPIRED,
        lambda authority: authority.expired(*HOSTS),
    ),
    (
        "the certificate is another's",
        Reason.CERTIFICATE_HOST_MISMATCH,
        lambda authority: authority.context("other.test"),
    ),
    (
        "the certificate is of a foreign authority",
        Reason.CERTIFICATE_NOT_TRUSTED,
        lambda _: foreign(*HOSTS),
    ),
    (
        "the certificate vouches for itself",
        Reason.CERTIFICATE_NOT_TRUSTED,
        lambda _: self_signed(*HOSTS),
    ),
)

_GREETINGS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("the greeting never comes", _greeting(Reason.TIMEOUT), (Wait(),)),
    ("the greeting is BYE", _greeting(Reason.SERVICE_CLOSING), (Say("* BYE full"), Close())),
    ("the greeting is NO", _greeting(Reason.UNEXPECTED_REPLY), (Say("* NO"), Wait())),
    ("the greeting is SMTP", _greeting(Reason.MALFORMED_REPLY), (Say("220 hello"), Wait())),
    (
        "the greeting is binary",
        _greeting(Reason.MALFORMED_REPLY),
        (Send(bytes(range(256)) * 2 + b"\r\n"), Wait()),
    ),
    ("the greeting has no end", _greeting(Reason.MALFORMED_REPLY), (Flood(b"* OK " * 999),)),
    ("the greeting is the end", _greeting(Reason.CONNECTION_CLOSED), (Close(),)),
    ("one direction ends in the greeting", _greeting(Reason.CONNECTION_CLOSED), (HalfClose(),)),
    ("the greeting says that we are known", fine(), (Say("* PREAUTH welcome back"),)),
)

_UNASKED = Say(
    "* FLAGS (\\Seen)",
    '* LIST () "/" Elsewhere',
    "* SEARCH 7 8 9",
    "* 3 FETCH (FLAGS (\\Seen))",
    "* 0 RECENT",
    "* OK [ALERT] \N{PILE OF POO}",
    "* CAPABILITY IMAP4rev1 X-NEW",
    "* STATUS Elsewhere (MESSAGES 3)",
    "* XYZZY nothing happens",
)
_BYE = (Say("* BYE maintenance"), Close())
_CROWD = 100_000
_ANSWERS: tuple[tuple[str, Verdict, Answers], ...] = (
    (
        "the password is wrong",
        _auth(Reason.AUTHENTICATION_FAILED, owner=Owner.CONFIGURATION),
        {"AUTHENTICATE": (Say("{tag} NO [AUTHENTICATIONFAILED] no"),)},
    ),
    (
        "nobody can log in now",
        _auth(Reason.DEFERRED, owner=_THEIRS),
        {"AUTHENTICATE": (Say("{tag} NO [UNAVAILABLE] later"),)},
    ),
    (
        "AUTHENTICATE asks on without end",
        _auth(Reason.UNEXPECTED_REPLY, owner=_THEIRS),
        {"AUTHENTICATE": (Say("+ bW9yZQ==", "+ bW9yZQ==", "+ bW9yZQ=="), Wait())},
    ),
    (
        "AUTHENTICATE is answered by BYE",
        _auth(Reason.SERVICE_CLOSING, owner=_THEIRS),
        {"AUTHENTICATE": _BYE},
    ),
    ("LIST is never answered", _fetch(Reason.TIMEOUT), {"LIST": (Wait(),)}),
    ("LIST is answered by BYE", _fetch(Reason.SERVICE_CLOSING), {"LIST": _BYE}),
    (
        "INBOX does not exist",
        broken(Phase.FETCH, Reason.REJECTED, Owner.CONFIGURATION),
        {"EXAMINE": (Say("{tag} NO [NONEXISTENT] none"),)},
    ),
    (
        "INBOX has no UIDVALIDITY",
        _fetch(Reason.UNEXPECTED_REPLY),
        {"EXAMINE": (Say("* 0 EXISTS", "{tag} OK open"),)},
    ),
    ("EXAMINE is answered by BYE", _fetch(Reason.SERVICE_CLOSING), {"EXAMINE": _BYE}),
    ("EXAMINE is a reset", _fetch(Reason.CONNECTION_RESET), {"EXAMINE": (Close(reset=True),)}),
    ("NOOP is never answered", _fetch(Reason.TIMEOUT), {"NOOP": (Wait(),)}),
    ("NOOP is answered by BYE", _fetch(Reason.SERVICE_CLOSING), {"NOOP": _BYE}),
    ("NOOP is the end", _fetch(Reason.CONNECTION_CLOSED), {"NOOP": (Close(),)}),
    (
        "NOOP is answered under another tag",
        _fetch(Reason.UNEXPECTED_REPLY),
        {"NOOP": (Say("x99 OK done"), Wait())},
    ),
    (
        "NOOP is answered by +",
        _fetch(Reason.UNEXPECTED_REPLY),
        {"NOOP": (Say("+ go on"), Wait())},
    ),
    (
        "every sort of thing is said unasked",
        fine(),
        {
            "NOOP": [
                (_UNASKED, OK),
                (Say("* 1 EXISTS", "* 1 RECENT", "{tag} OK done"),),
                (OK,),
            ]
        },
    ),
    (
        "every sort of thing is said unasked before, in and after a FETCH",
        fine(),
        {"UID FETCH": (_UNASKED, delivered(1, 1), _UNASKED, Say("{tag} OK done"), _UNASKED)},
    ),
    (
        "more messages go than there were",
        fine(),
        {
            "NOOP": [(Repeat("* 1 EXPUNGE", 500), OK), (Say("* 1 EXISTS", "{tag} OK"),), (OK,)],
            "UID SEARCH": [(Send(_search(())), OK), (Send(_search((1,))), OK)],
        },
    ),
    (
        "UIDVALIDITY changes at every look",
        fine(),
        {
            "NOOP": [
                (Say("* OK [UIDVALIDITY 8] new", "{tag} OK done"),),
                (Say("* OK [UIDVALIDITY 9] new", "{tag} OK done"),),
                (Say("* 1 EXISTS", "{tag} OK done"),),
                (OK,),
            ],
            "EXAMINE": [
                _opened(7),
                _opened(8),
                _opened(9),
            ],
        },
    ),
    ("FETCH is never answered", _fetch(Reason.TIMEOUT), {"UID FETCH": (Wait(),)}),
    ("FETCH is answered by BYE", _fetch(Reason.SERVICE_CLOSING), {"UID FETCH": _BYE}),
    (
        "a literal is longer than it says",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Say("* 1 FETCH (UID 1 BODY[HEADER]<0> {3}", "A: b", "", ")"), OK)},
    ),
    (
        "a literal is shorter than it says",
        _fetch(Reason.TIMEOUT),
        {"UID FETCH": (Say("* 1 FETCH (UID 1 BODY[HEADER]<0> {3000}", "A: b"), OK, Wait())},
    ),
    (
        "a literal says it has four gigabytes",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Say("* 1 FETCH (UID 1 BODY[HEADER]<0> {4294967295}"), Flood(b"x" * 4096))},
    ),
    (
        "a literal has less than nothing",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Say("* 1 FETCH (UID 1 BODY[HEADER]<0> {-1}", ")"), OK)},
    ),
    (
        "brackets open without end",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Flood(b"* 1 FETCH (" + b"(" * 4000),)},
    ),
    (
        "a number is too large for any",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Say(f"* 1 FETCH (UID {'9' * 4000})"), OK)},
    ),
    (
        "a quotation is not closed",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Say('* 1 FETCH (UID 1 INTERNALDATE "01-'), OK)},
    ),
    (
        "the header holds NULs and binary",
        fine(),
        {"UID FETCH": (_binary_before_the_canary(), OK)},
    ),
)

_LONG = b'* LIST () "/" "%s"\r\n' % (b"x" * 60_000)

_FOR_CROWDS = 20.0  # seconds: it is the bound on what is read that has to end these

_CROWDS: tuple[tuple[str, Verdict, Answers], ...] = (
    (
        "LIST names folders without end",
        _fetch(Reason.MALFORMED_REPLY),
        {"LIST": (Flood(b'* LIST (\\HasNoChildren) "/" x\r\n' * 99),)},
    ),
    (
        "LIST names folders of 60 KB without end",
        _fetch(Reason.MALFORMED_REPLY),
        {"LIST": (Flood(_LONG),)},
    ),
    (
        "SEARCH finds messages without end",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID SEARCH": (Flood(_search(range(1, 5000))),)},
    ),
    (
        "NOOP is answered by chatter without end",
        _fetch(Reason.MALFORMED_REPLY),
        {"NOOP": (Flood(b"* OK still here\r\n" * 99),)},
    ),
    (
        "the count grows fifty thousand times and shrinks again",
        fine(),
        {"NOOP": [(OK,), (Repeat("* {n} EXISTS", _CROWD // 2), Say("* 1 EXISTS"), OK), (OK,)]},
    ),
    (
        "a hundred thousand messages come at once",
        fine(),
        {
            "NOOP": [(OK,), (Say(f"* {_CROWD} EXISTS", "{tag} OK done"),), (OK,)],
            "UID SEARCH": [
                (Say("* SEARCH", "{tag} OK done"),),
                (Send(_search(range(1, _CROWD + 1))), OK),
                (Say(f"* SEARCH {_CROWD}", "{tag} OK done"),),
            ],
            "UID FETCH": (delivered(_CROWD, _CROWD), OK),
        },
    ),
    (
        "more text comes than was asked for",
        _fetch(Reason.MALFORMED_REPLY),
        {"UID FETCH": (Flood(b"* 1 FETCH (UID 1 BODY[HEADER]<0> {40000}\r\n%s)\r\n" % _TEXT),)},
    ),
)

_IDLES: tuple[tuple[str, Verdict, Answers], ...] = (
    ("the news comes in IDLE", fine(), {}),
    (
        "the news comes before the + of IDLE",
        fine(),
        {"IDLE": (Say("* 1 EXISTS", "+ idling"), Read(), OK)},
    ),
    (
        "the news comes in the packet of the +, octet by octet",
        fine(),
        {"IDLE": (Send(b"+ idling\r\n* 1 EXISTS\r\n", 0.001), Read(), OK)},
    ),
    (
        "the news comes between DONE and its answer",
        fine(),
        {
            "IDLE": [
                (Say("+ idling", "* OK still here", "* 0 RECENT", "* 2 EXISTS"), Read(), OK),
                (Say("+ idling"), Read(), OK),
            ]
        },
    ),
    (
        "IDLE is offered and refused",
        fine(),
        {
            "IDLE": (Say("{tag} BAD what?"),),
            "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        },
    ),
    ("the + never comes", _fetch(Reason.TIMEOUT), {"IDLE": (Wait(),)}),
    (
        "DONE is never answered",
        _fetch(Reason.TIMEOUT),
        {"IDLE": (Say("+ idling", "* 1 EXISTS"), Read(), Wait())},
    ),
    (
        "IDLE ends in BYE",
        _fetch(Reason.SERVICE_CLOSING),
        {"IDLE": (Say("+ idling"), Wait(0.05), *_BYE)},
    ),
    (
        "IDLE is a reset",
        _fetch(Reason.CONNECTION_RESET),
        {"IDLE": (Say("+ idling"), Wait(0.05), Close(reset=True))},
    ),
    (
        "IDLE is the end",
        _fetch(Reason.CONNECTION_CLOSED),
        {"IDLE": (Say("+ idling"), Wait(0.05), Close())},
    ),
)

_LINES: tuple[tuple[str, Verdict, Line], ...] = (
    ("every answer is late", fine(), Line(latency=0.03)),
    ("every write is an octet", fine(), Line(piece=1)),
    ("the line is cut in the greeting", _greeting(Reason.CONNECTION_CLOSED), Line(cut_after=6)),
    (
        "the line is cut in an answer",
        _auth(Reason.CONNECTION_CLOSED, owner=_THEIRS),
        Line(cut_after=60),
    ),
)
