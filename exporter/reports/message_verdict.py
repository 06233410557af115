"""The verdict on one message file: from, to, when, how long it took, and pass or fail."""

from dataclasses import dataclass
from datetime import datetime

from exporter.reports.exit_codes import ExitCode, evidence_code
from exporter.reports.wording import milliseconds, owner_words
from probes.canary.bounce import failure_of
from probes.canary.evidence import Evidence
from probes.canary.hops import Chain
from probes.records.header_words import decoded_text
from probes.records.raw_message import read_message

_WORDS = {ExitCode.OK: "PASS", ExitCode.WARNING: "WARNING", ExitCode.FAILURE: "FAIL"}


@dataclass(frozen=True, slots=True)
class MessageVerdict:
    """What `mailcanary explain` says first; `rows` are names and values in their order."""

    word: str
    code: ExitCode
    summary: str
    rows: tuple[tuple[str, str], ...]


def message_verdict(message: bytes, evidence: Evidence) -> MessageVerdict:
    """Return the verdict on a message, by its evidence and its own header."""
    raw = read_message(message)
    rows = (
        ("from", decoded_text(raw.first("from"))),
        ("to", decoded_text(raw.first("to"))),
        ("sent", raw.first("date")),
        ("under way", _total(evidence.chain)),
    )
    has_failed = evidence.bounce is not None and bool(evidence.bounce.failed)
    code = ExitCode.FAILURE if has_failed else evidence_code(evidence)
    shown = tuple((name, value) for name, value in rows if value)
    return MessageVerdict(_WORDS.get(code, code.name), code, _summary(evidence), shown)


def _summary(evidence: Evidence) -> str:
    bounce = evidence.bounce
    if bounce is None:
        count = len(evidence.findings)
        return f"{count} finding{'' if count == 1 else 's'}" if count else "no problem found"
    if not bounce.failed:
        return "a notice about a message that has not failed"
    who = bounce.failed[0].recipient or "an unnamed recipient"
    reason = str(bounce.failed[0].reason or "unknown").replace("_", " ")
    owner = owner_words(failure_of(bounce).owner)
    return f"a bounce: mail to {who} was not delivered ({reason}; {owner})"


def _total(chain: Chain) -> str:
    """The time between the first and the last stamp; "" if a stamp is missing or goes back."""
    stamps = [hop.date for hop in chain.hops if isinstance(hop.date, datetime)]
    if len(stamps) < 2 or stamps[-1] < stamps[0]:
        return ""
    took = milliseconds((stamps[-1] - stamps[0]).total_seconds())
    return f"{took} over {len(chain.hops)} hops, by their own clocks"
