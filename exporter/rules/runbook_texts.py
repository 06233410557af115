"""What a runbook says beyond the alert itself: impact, first look, mend, when to escalate."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """The parts of a runbook that are written by hand."""

    impact: str
    look: tuple[str, ...]
    mend: str
    escalate: str


_STATUS = "mailcanary status"
_HISTORY = "mailcanary history PATH"
_SHOW = "mailcanary show PATH"
_RUN = "mailcanary run PATH"
_JOB = ("mailcanary history JOB", "mailcanary run JOB")
_PATH = (_STATUS, _HISTORY, _SHOW)
_BY_REASON = "Follow the page of the reason in [reasons](reasons/). It has the change to make."
_LOG = "journalctl -u mailcanary --since -1h"
_CHECK = "mailcanary check-config"
_OWNER = "Call the owner that the alert names, with the output of `mailcanary show`."
_DOMAIN = "mailcanary diagnose DOMAIN"

ADVICE: Mapping[str, Advice] = {
    "MailcanaryPathDown": Advice(
        "Mail on this path does not reach its recipients now.",
        (*_PATH, _RUN),
        f"{_BY_REASON} If a MailcanarySuspect alert fires too, begin with the part it names.",
        f"At once. {_OWNER}",
    ),
    "MailcanaryErrorBudgetBurn": Advice(
        "Part of the mail on this path does not arrive. The objective of the month is in danger.",
        _PATH,
        _BY_REASON,
        f"If it is critical: within the hour. If it is a warning: within the day. {_OWNER}",
    ),
    "MailcanaryPathNeverWorked": Advice(
        "The path is not watched yet: nobody would learn that it fails.",
        (_CHECK, _RUN),
        f"Correct the configuration of the path. {_BY_REASON}",
        "If the configuration is right, call the owner that the alert names.",
    ),
    "MailcanaryJunked": Advice(
        "Recipients do not see the mail: it is in their junk folder.",
        (*_PATH, "mailcanary explain COPY.eml"),
        "Read the filter's rules in the copy. Mend SPF, DKIM and DMARC first, then the content.",
        "If all verdicts are pass, ask the postmaster of the receiving domain.",
    ),
    "MailcanaryBounced": Advice(
        "Mail comes back after a server had taken it.",
        _PATH,
        "Read the delivery status in `mailcanary show`: it names the host and its reply.",
        "If the reply names a policy, ask the postmaster of that host, with the reply.",
    ),
    "MailcanaryLate": Advice(
        "Mail arrives, but later than `late_after`.",
        (*_PATH, "mailcanary explain COPY.eml"),
        "See which hop takes the time. Look at the queue of that server.",
        "If it lasts for an hour, call the operator of the slow hop.",
    ),
    "MailcanaryCopyAltered": Advice(
        "Signatures break, and receivers may refuse or junk the mail.",
        (_SHOW, "mailcanary findings CODE"),
        "Find the hop that changes the message, and switch that rewriting off.",
        "If the hop is not yours, ask its operator, with the finding.",
    ),
    "MailcanaryVerdictChanged": Advice(
        "Receivers trust the mail less: it may be refused or sorted as junk soon.",
        (_SHOW, _DOMAIN),
        "Compare the records with those of yesterday: `mailcanary history` of the sender's job.",
        "Call the DNS team of the sending domain.",
    ),
    "MailcanaryDkimKeyGone": Advice(
        "Every signature with this selector fails.",
        (_SHOW, "dig TXT SELECTOR._domainkey.DOMAIN"),
        "Publish the key of the selector again, or sign with a selector that has one.",
        "Call the DNS team of the sending domain at once if DMARC refuses mail.",
    ),
    "MailcanarySuspect": Advice(
        "Several paths fail, and they have this part in common.",
        (_STATUS,),
        "Look at the named part first. The single alerts of its paths end with it.",
        "Call the owner that the alert names. A suspect is no proof: name both counts.",
    ),
    "MailcanaryDomainDown": Advice(
        "The domain takes no mail from here. Senders queue it and try again.",
        (*_JOB, _DOMAIN),
        _BY_REASON,
        "At once: the postmaster of the domain, by telephone. Mail does not reach him.",
    ),
    "MailcanaryMxDown": Advice(
        "Senders lose time at this host. If the other hosts fail too, no mail arrives.",
        (*_JOB, _DOMAIN),
        _BY_REASON,
        "Within the day: the postmaster of the domain.",
    ),
    "MailcanaryCertificateExpires": Advice(
        "After that date senders that verify (MTA-STS, DANE with TLSA 0 or 1) do not deliver.",
        (_DOMAIN, "openssl s_client -starttls smtp -connect HOST:25 -servername HOST"),
        "Renew the certificate and reload the server. Publish a new TLSA record before that.",
        "If it is critical: at once, the postmaster of the domain.",
    ),
    "MailcanaryStarttlsGone": Advice(
        "Mail travels in clear. Senders that insist on TLS do not deliver.",
        (*_JOB, _DOMAIN),
        "Switch TLS on again. If the server offers it, a device on the way removes it.",
        "If a device on the way removes it, call the network team.",
    ),
    "MailcanaryPolicyBroken": Advice(
        "Senders that enforce MTA-STS or DANE do not deliver.",
        (*_JOB, f"{_DOMAIN} --only policy"),
        "Each finding of the run has the record to publish.",
        "Call the DNS team of the domain. For MTA-STS also the owner of its web host.",
    ),
    "MailcanarySenderBroken": Advice(
        "Receivers cannot tell mail of the domain from forged mail.",
        (*_JOB, f"{_DOMAIN} --only sender"),
        "Each finding of the run has the record to publish.",
        "Call the DNS team of the sending domain.",
    ),
    "MailcanaryNameserversBroken": Advice(
        "Look-ups of the domain fail for a part of the world or take long.",
        (*_JOB, f"{_DOMAIN} --only nameservers"),
        "Each finding of the run names the server and the change.",
        "Call the operator of the name servers.",
    ),
    "MailcanaryListed": Advice(
        "An entry of a block list came or went. Receivers that use the list refuse mail.",
        _JOB,
        "Read the list's reason. Stop its cause, then ask the list to remove the entry.",
        "If mail bounces because of it, call the delivery team of the domain.",
    ),
    "MailcanarySelectorChanged": Advice(
        "Signatures with this selector may fail from now on.",
        _JOB,
        "If the change was not meant, publish the key before again.",
        "Call the DNS team of the sending domain if nobody knows of the change.",
    ),
    "MailcanaryTargetChanged": Advice(
        "None by itself. It explains alerts that begin at the same time.",
        _JOB,
        "Nothing, if the change was meant.",
        "If nobody knows of the change, tell the owner of the domain.",
    ),
    "MailcanaryMonitorDead": Advice(
        "Nothing is known of the mail. Every other alert is silent, and that proves nothing.",
        ("systemctl status mailcanary", _LOG, "curl -s http://HOST:9587/-/healthy"),
        "Start the service again. If it ends at once, the last lines of the log say why.",
        "Call the operator of the machine.",
    ),
    "MailcanaryMonitorAbsent": Advice(
        "Nothing is known of the mail. Every other alert is silent, and that proves nothing.",
        ("systemctl status mailcanary", "promtool check config /etc/prometheus/prometheus.yml"),
        "Put the scrape job back, or have service discovery find the process again.",
        "Call the team of Prometheus.",
    ),
    "MailcanaryPathUntestable": Advice(
        "Nothing is known of the mail on this path. It is not said that mail is down.",
        (_STATUS, _SHOW, _CHECK),
        _BY_REASON,
        "Within the day: the maintainer of mailcanary.",
    ),
    "MailcanaryProbeUntestable": Advice(
        "Nothing is known of the target. It is not said that it is down.",
        (_STATUS, *_JOB, _CHECK),
        _BY_REASON,
        "Within the day: the maintainer of mailcanary.",
    ),
    "MailcanaryMailboxUnreadable": Advice(
        "No canary in this mailbox can be found. Paths into it are untestable.",
        (_STATUS, _LOG, _CHECK),
        f"If the login is refused, correct the password. {_BY_REASON}",
        "If the server does not answer, call the operator of the mailbox server.",
    ),
    "MailcanaryPathScheduleStale": Advice(
        "The path is not tested as often as it should be, or not at all.",
        (_STATUS, _LOG),
        "Look for a full disk, a process that is held up, and too low a `max_concurrent`.",
        "Call the operator of the machine.",
    ),
    "MailcanaryProbeScheduleStale": Advice(
        "The target is not tested as often as it should be, or not at all.",
        (_STATUS, _LOG),
        "Look for a full disk, a process that is held up, and too low a `max_concurrent`.",
        "Call the operator of the machine.",
    ),
    "MailcanaryLedgerErrors": Advice(
        "Nothing is sent while the ledger cannot take it down.",
        (_LOG, "df -h", "ls -l /var/lib/mailcanary"),
        "Make room on the disk, or let the service write there. docs/operations.md tells more.",
        "Call the operator of the machine.",
    ),
    "MailcanaryTaskRestarts": Advice(
        "A part of the service began anew. Some measurements of that minute may be missing.",
        (_LOG,),
        "Update mailcanary if a newer version has the correction.",
        "Report it to the project, with the traceback in the log.",
    ),
    "MailcanaryConfigReloadFailed": Advice(
        "The configuration before stays in force: a change was not taken over.",
        (_CHECK, _LOG),
        "Correct the mistakes that `mailcanary check-config` lists, then reload.",
        "Call the author of the latest change.",
    ),
    "MailcanaryLoopLag": Advice(
        "Measured times are too long. Late mail may not be late.",
        ("top", _STATUS),
        "Lower `max_concurrent`, or give the process more of a CPU.",
        "Call the operator of the machine.",
    ),
}
"""By the name of the alert."""
