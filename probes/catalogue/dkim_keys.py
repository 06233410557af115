"""Findings about the DKIM keys of a domain we send from."""

from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_DIG = "dig @{resolver} TXT {name}"

_WHERE_IN_USE = {
    Status.FAILURE: "it is configured, or a canary of the last two days was signed with it",
    Status.NOTICE: "it was learnt from canaries, and none of the last two days was signed with it",
}

KEY_MISSING = Entry(
    "dkim.key_missing",
    "There is no key at a DKIM selector",
    "Every signature made with it fails, and with it DMARC where SPF does not pass.",
    'Publish the public key at {name}: "v=DKIM1; k=rsa; p=...".',
    _DIG,
    "RFC 6376 §3.6.2.2",
    Owner.SENDER,
    _WHERE_IN_USE,
    mended_in=Aspect.DKIM,
)

KEY_MULTIPLE = Entry(
    "dkim.key_multiple",
    "There are several TXT records at a DKIM selector",
    "It is not defined which of them a receiver takes: signatures pass here and fail there.",
    "Remove all records but the one of the private key in use.",
    _DIG,
    "RFC 6376 §3.6.2.2",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.DKIM,
)

KEY_REVOKED = Entry(
    "dkim.key_revoked",
    "The DKIM key was revoked: its p= is empty",
    "Every signature made with it fails.",
    "Sign with another selector, or publish the key again.",
    _DIG,
    "RFC 6376 §3.6.1",
    Owner.SENDER,
    _WHERE_IN_USE,
    mended_in=Aspect.DKIM,
)

KEY_MALFORMED = Entry(
    "dkim.key_malformed",
    "The DKIM key record cannot be read, or holds no key",
    "Every signature made with it fails.",
    "Publish the record again; look for lost characters where it was split into strings.",
    _DIG,
    "RFC 6376 §3.6.1",
    Owner.SENDER,
    _WHERE_IN_USE,
    mended_in=Aspect.DKIM,
)

KEY_UNSUITABLE = Entry(
    "dkim.key_unsuitable",
    "The DKIM key record does not allow its use for mail",
    "Receivers take no signature of mail with SHA-256 by it.",
    "Remove h= and s= from the record.",
    _DIG,
    "RFC 6376 §6.1.2",
    Owner.SENDER,
    _WHERE_IN_USE,
    mended_in=Aspect.DKIM,
)

KEY_WEAK = Entry(
    "dkim.key_weak",
    "The DKIM key has fewer than 1024 bits",
    "Receivers do not accept it: anybody can compute its private part.",
    "Make a key of 2048 bits under a new selector, sign with it, then revoke this one.",
    _DIG,
    "RFC 8301 §3.2",
    Owner.SENDER,
    _WHERE_IN_USE,
    mended_in=Aspect.DKIM,
)

KEY_SHORT = Entry(
    "dkim.key_short",
    "The DKIM key has fewer than 2048 bits",
    "It still verifies everywhere; signers should no longer use it.",
    "Make a key of 2048 bits under a new selector at the next change of keys.",
    _DIG,
    "RFC 8301 §3.2",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DKIM,
)

KEY_TESTING = Entry(
    "dkim.key_testing",
    "The DKIM key is marked as a test (t=y)",
    "Receivers may treat signed mail as if it were not signed.",
    "Remove t=y from the record.",
    _DIG,
    "RFC 6376 §3.6.1",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DKIM,
)

LOOKUP_FAILED = Entry(
    "dkim.lookup_failed",
    "The DKIM key could not be looked up",
    "Receivers that meet the same failure defer the mail or count it as not signed.",
    "Repair the name servers of the domain; where its records do not validate, have its zone "
    "signed again.",
    _DIG,
    "RFC 6376 §6.1.2",
    Owner.SENDER,
    {
        Status.FAILURE: "the domain's servers failed",
        Status.NOTICE: "they failed, and the selector may have been retired",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
)
