"""The table of all cases."""

from exporter.selftest.case import Case
from exporter.selftest.evidence_cases import evidence_cases
from exporter.selftest.fixtures import Props
from exporter.selftest.mailbox_cases import mailbox_cases, monitor_cases
from exporter.selftest.mx_cases import mx_cases
from exporter.selftest.nameserver_cases import nameserver_cases
from exporter.selftest.policy_cases import policy_cases
from exporter.selftest.reputation_cases import reputation_cases
from exporter.selftest.sender_cases import sender_cases
from exporter.selftest.smtp_cases import smtp_cases


def all_cases(props: Props) -> tuple[Case, ...]:
    """Every case, area by area."""
    return (
        *mx_cases(props),
        *smtp_cases(props),
        *policy_cases(props),
        *sender_cases(props),
        *reputation_cases(props),
        *nameserver_cases(props),
        *mailbox_cases(props),
        *evidence_cases(props),
        *monitor_cases(props),
    )
