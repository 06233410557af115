"""The alerts about mail paths: down, burning their budget, junked, bounced, late."""

from exporter.rules.options import RuleOptions
from exporter.rules.queries import PATH, canaries, gauge
from exporter.rules.recordings import (
    AGE,
    BLAME,
    INTERVAL,
    LATE_AFTER,
    SINCE_SUCCESS,
    STATE,
    bad,
    ratio,
)
from exporter.rules.rule import Alert, Board, Severity
from exporter.rules.windows import LEAST_FAILURES, PAIRS, Pair
from exporter.rules.words import who

OVERDUE = 2
"""The oldest canary in flight is this many times as old as `late_after`."""

_ON = f"on ({PATH})"
_BLAMED = f"* {_ON} group_left (owner) max by ({PATH}, owner) ({BLAME})"
_WHY = who(BLAME, "path")


def path_alerts(options: RuleOptions) -> tuple[Alert, ...]:
    """Every alert about a path, the gravest first."""
    return (
        _down(),
        *(_burn(options, pair) for pair in PAIRS),
        _never_worked(),
        _counted("Junked", "junked", "receiver_filter", "Mail of a path is sorted as junk."),
        _counted("Bounced", "bounced", "receiver_mailbox", "Mail of a path comes back."),
        _counted("Late", "late", "relay", "Mail of a path is late."),
        _altered(),
        _verdict_changed(),
        _key_gone(),
    )


def _down() -> Alert:
    return Alert(
        "MailcanaryPathDown",
        (
            "(\n"
            f"  {SINCE_SUCCESS} > {_ON} (2 * {INTERVAL} + {_ON} {LATE_AFTER})\n"
            f"  and {_ON} (\n"
            f"    {AGE} > {_ON} ({OVERDUE} * {LATE_AFTER})\n"
            f'    or {_ON} {STATE}{{state="failing"}} == 1\n'
            "  )\n"
            f'  unless {_ON} {STATE}{{state="untestable"}} == 1\n'
            ")\n"
            f"{_BLAMED}"
        ),
        "1m",
        Severity.CRITICAL,
        "No mail arrives on a path.",
        "Nothing arrived on the path {{ $labels.path }} for {{ $value | humanizeDuration }}: two "
        f"canaries in a row or more.{_WHY}",
        ("path",),
        Board.PATH,
    )


def _burn(options: RuleOptions, pair: Pair) -> Alert:
    threshold = f"{pair.threshold(options):g}"
    above = f"({INTERVAL} > {pair.above})"
    members = above if pair.up_to is None else f"({above} <= {pair.up_to})"
    return Alert(
        "MailcanaryErrorBudgetBurn",
        (
            "(\n"
            f"  max by ({PATH}) ({ratio(pair.short)}) > {threshold}\n"
            f"  and {_ON} max by ({PATH}) ({ratio(pair.long)}) > {threshold}\n"
            f"  and {_ON} {bad(pair.long)} > {LEAST_FAILURES:g}\n"
            f"  and {_ON} {members}\n"
            f"  and {_ON} {SINCE_SUCCESS}\n"
            ")\n"
            f"{_BLAMED}"
        ),
        pair.wait,
        pair.severity,
        "Too many canaries of a path fail.",
        "Of the latest canaries of the path {{ $labels.path }} {{ $value | humanizePercentage }} "
        f"failed. The objective is {options.objective.percent:g} %; its budget burns too fast over "
        f"{pair.short} and {pair.long}.{_WHY}",
        ("path",),
        Board.PATH,
        labels={"long": pair.long, "short": pair.short},
    )


def _never_worked() -> Alert:
    success = gauge("mailcanary_last_success_timestamp_seconds", PATH)
    return Alert(
        "MailcanaryPathNeverWorked",
        (f'(({success} == 0) and {_ON} {STATE}{{state="failing"}} == 1)\n{_BLAMED}'),
        "1h",
        Severity.WARNING,
        "A new path has not delivered a canary yet.",
        f"No canary ever arrived on the path {{{{ $labels.path }}}}.{_WHY}",
        ("path",),
        Board.PATH,
    )


def _counted(name: str, outcome: str, owner: str, summary: str) -> Alert:
    """Two canaries or more within an hour, or within six for a slow path."""
    fast = f"{canaries(outcome, '1h')} > {LEAST_FAILURES:g}"
    slow = f"{canaries(outcome, '6h')} > {LEAST_FAILURES:g} and {_ON} {INTERVAL} > 900"
    return Alert(
        f"Mailcanary{name}",
        f"({fast})\nor {_ON} ({slow})",
        "",
        Severity.WARNING,
        summary,
        f"{{{{ $value | humanize }}}} canaries of the path {{{{ $labels.path }}}} were settled as "
        f"{outcome} lately.{_WHY}",
        ("path",),
        Board.PATH,
        owner=owner,
    )


def _finding(code: str) -> str:
    selector = f'mailcanary_evidence_finding{{code=~"{code}", status=~"warning|failure"}}'
    return f"{gauge(selector, f'{PATH}, code')} == 1"


def _altered() -> Alert:
    return Alert(
        "MailcanaryCopyAltered",
        _finding(r"arrival\\.altered\\..*|arrival\\.dkim\\.broken"),
        "10m",
        Severity.WARNING,
        "A server changes mail on its way.",
        "The newest copy on the path {{ $labels.path }} was changed: {{ $labels.code }}. "
        "`mailcanary findings {{ $labels.code }}` explains it.",
        ("path",),
        Board.PATH,
        owner="receiver_filter",
    )


def _verdict_changed() -> Alert:
    verdict = "mailcanary_authentication_result"
    methods = 'by="receiver", method=~"spf|dkim|dmarc"'
    by = f"{PATH}, method"
    now = gauge(f'{verdict}{{{methods}, result="pass"}}', by)
    other = gauge(f'{verdict}{{{methods}, result!="pass"}}', f"{by}, result")
    before = f'max by ({by}) (max_over_time({verdict}{{{methods}, result="pass"}}[1d]))'
    return Alert(
        "MailcanaryVerdictChanged",
        f"({other} == 1)\nand on ({by}) ({before} == 1)\nunless on ({by}) ({now} == 1)",
        "10m",
        Severity.WARNING,
        "Mail of a path no longer passes SPF, DKIM or DMARC.",
        "The receiver's verdict on {{ $labels.method }} of the path {{ $labels.path }} was pass "
        "within the last day, and is {{ $labels.result }} now.",
        ("path",),
        Board.SENDER,
        owner="sender",
    )


def _key_gone() -> Alert:
    return Alert(
        "MailcanaryDkimKeyGone",
        _finding(r"arrival\\.dkim\\.key"),
        "10m",
        Severity.WARNING,
        "The DKIM key of a signature cannot be had.",
        "The newest copy on the path {{ $labels.path }} is signed with a selector that has no "
        "usable key in the DNS.",
        ("path",),
        Board.SENDER,
        owner="sender",
    )
