"""Findings about an arrived copy: changes to it, and the authentication of its sender."""

from collections.abc import Mapping

from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

_EXPLAIN = "mailcanary explain MESSAGE.eml"

DKIM_BROKEN = Entry(
    "arrival.dkim.broken",
    "A DKIM signature no longer fits the message",
    "Receivers see unsigned mail; with DMARC and without SPF they reject it.",
    "Find the hop that changes the message (the findings `arrival.altered` beside this one "
    "name it) and have it sign again, or leave the message alone.",
    _EXPLAIN,
    "RFC 6376 §6.1",
    Owner.SENDER,
    always(Status.FAILURE),
)

DKIM_KEY = Entry(
    "arrival.dkim.key",
    "The key of a DKIM signature is missing, revoked, malformed or too weak",
    "Nobody can verify the signature: receivers see unsigned mail.",
    "Publish the key of the selector the signature names, of 2048 bits RSA or Ed25519.",
    "dig @{resolver} TXT {name}\n" + _EXPLAIN,
    "RFC 6376 §6.1",
    Owner.SENDER,
    always(Status.FAILURE),
)

DKIM_UNUSABLE = Entry(
    "arrival.dkim.unusable",
    "A DKIM signature cannot be judged",
    "It proves nothing to a receiver that follows the standard.",
    "Look at the signature's tags in the evidence; sign with rsa-sha256 or ed25519-sha256.",
    _EXPLAIN,
    "RFC 6376 §6.1",
    Owner.SENDER,
    {
        Status.WARNING: "the signature itself is at fault",
        Status.UNTESTABLE: "its key could not be looked up here and now",
    },
    ours=Owner.RESOLVER,
)

DKIM_RECEIVER_DISAGREES = Entry(
    "arrival.dkim.receiver_disagrees",
    "The receiver judged a DKIM signature otherwise than we do",
    "One of the two saw another message or another key: somebody changes mail behind the "
    "receiver, or the key record is not the same everywhere.",
    "Compare the key at all name servers of the signing domain; look for changes to mail "
    "behind the receiver's own verification.",
    _EXPLAIN,
    "RFC 8601 §2.7.1",
    Owner.RECEIVER_FILTER,
    always(Status.WARNING),
)


DMARC_RECEIVER_DISAGREES = Entry(
    "arrival.dmarc.receiver_disagrees",
    "The receiver's DMARC result is another than the alignment we see",
    "Mail may be judged by a state that is over, or by other domains than you think.",
    "Compare the receiver's Authentication-Results field with the aligned identifiers in "
    "the evidence.",
    _EXPLAIN,
    "RFC 7489 §3.1",
    Owner.RECEIVER_FILTER,
    always(Status.WARNING),
)

AUTHENTICATION_FORGED = Entry(
    "arrival.authentication.forged",
    "Results in the receiver's name were in the message before the receiver had it",
    "A receiver that does not remove them lets senders forge its results.",
    "Have the receiver remove incoming Authentication-Results fields that bear its own name.",
    _EXPLAIN,
    "RFC 8601 §5",
    Owner.RECEIVER_FILTER,
    always(Status.NOTICE),
)

SPAM_MARKED = Entry(
    "arrival.spam.marked",
    "A spam filter calls the canary spam",
    "Real mail of the same sender is likely to be filed as junk.",
    "Look up the filter's tests in the evidence: authentication and reputation first, then "
    "the text of the message.",
    _EXPLAIN,
    "",
    Owner.RECEIVER_FILTER,
    always(Status.WARNING),
)

CLOCK_SKEWED = Entry(
    "arrival.clock.skewed",
    "The clock of a host on the way is wrong",
    "Its times cannot be trusted: delays look negative or too long.",
    "Have that host's clock set by NTP.",
    _EXPLAIN,
    "RFC 5321 §4.4",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

MESSAGE_TOO_LARGE = Entry(
    "arrival.message.too_large",
    "The copy is larger than the part of a message that is read",
    "Of a message above 16 MiB only the header is looked at: nothing is said of its body or of "
    "signatures over it.",
    "Send smaller canaries.",
    _EXPLAIN,
    "",
    Owner.MONITOR,
    always(Status.NOTICE),
)

COPY_UNREAD = Entry(
    "arrival.copy.unread",
    "The mailbox did not give the copy that was seen in it",
    "The canary is settled, but nothing is known of its way: no hops, verdicts or changes.",
    "Where somebody or something else moves or removes mail in that mailbox, make it wait an "
    "hour; where the server refuses, see its reason in the evidence.",
    "mailcanary run PATH --json",
    "",
    Owner.RECEIVER_MAILBOX,
    always(Status.UNTESTABLE),
)

EVIDENCE_SHORTENED = Entry(
    "arrival.evidence.shortened",
    "A copy has more evidence than is kept",
    "Of each list only the first ten entries are in the ledger, and long texts are cut.",
    "Nothing, as a rule: a mail loop or a prank makes such a header.",
    _EXPLAIN,
    "",
    Owner.MONITOR,
    always(Status.NOTICE),
)

_ALWAYS = always(Status.WARNING)
_OF_THE_FORM = {Status.INFO: "it broke no signature", Status.WARNING: "it broke one"}

_CHANGES: Mapping[str, tuple[str, Mapping[Status, str]]] = {
    "subject_changed": ("The subject was changed on the way", _ALWAYS),
    "header_changed": ("A header field was changed on the way", _ALWAYS),
    "header_removed": ("A header field was removed on the way", _ALWAYS),
    "header_refolded": ("Header lines were folded anew on the way", _OF_THE_FORM),
    "header_reencoded": ("A header field was encoded anew on the way", _OF_THE_FORM),
    "header_duplicated": ("A header field stands there twice", _ALWAYS),
    "reencoded": ("The body was encoded anew on the way", _OF_THE_FORM),
    "wrapped": ("The message was wrapped into another one", _ALWAYS),
    "white_space_changed": ("White space was changed on the way", _OF_THE_FORM),
    "banner_added": ("A text was added before the body", _ALWAYS),
    "footer_added": ("A text was added behind the body", _ALWAYS),
    "links_rewritten": ("Links were rewritten on the way", _ALWAYS),
    "body_changed": ("The body was changed on the way", _ALWAYS),
    "body_truncated": ("The body came shorter than it was sent", _ALWAYS),
}

ALTERED: Mapping[str, Entry] = {
    kind: Entry(
        f"arrival.altered.{kind}",
        summary,
        "A change may break DKIM signatures, and the reader sees another message than we sent.",
        "Where it is not wanted, configure the filter or gateway at the hop that the evidence "
        "names.",
        _EXPLAIN,
        "RFC 5321 §6.4",
        Owner.RECEIVER_FILTER,
        severity,
    )
    for kind, (summary, severity) in _CHANGES.items()
}
"""By the kind of change. One of the form alone is no more than a note where no signature broke."""
