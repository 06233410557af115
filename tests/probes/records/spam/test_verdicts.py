"""What spam filters wrote into the header, told as they told it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.spam.values import SpamVerdict
from probes.records.spam.verdicts import MAX_FIELDS, spam_verdicts

Header = list[tuple[str, str]]

SPAMASSASSIN = [
    ("X-Spam-Checker-Version", "SpamAssassin 4.0.0 (2022-12-14) on mx.example.test"),
    ("X-Spam-Level", "*****"),
    (
        "X-Spam-Status",
        "Yes, score=5.7 required=5.0 tests=BAYES_99,\r\n\tHTML_MESSAGE,SPF_PASS autolearn=no"
        "\r\n\tautolearn_force=no version=4.0.0",
    ),
    ("X-Spam-Report", "*  5.7 BAYES_99 BODY: Bayes spam probability is 99 to 100%"),
    ("X-Spam-Flag", "YES"),
]
AMAVIS = [
    ("X-Spam-Flag", "NO"),
    ("X-Spam-Score", "-1.899"),
    (
        "X-Spam-Status",
        "No, score=-1.899 tagged_above=2 required=6.31\n\ttests=[BAYES_00=-1.9,\n\tX=0.001]",
    ),
]
OLD = [("X-Spam-Status", "No, hits=-2.6 required=5.0 tests=AWL,BAYES_00 version=2.64")]
BARE = [("X-Spam-Flag", "NO")]
CPANEL = [("X-Spam-Status", "No, score=0.4"), ("X-Spam-Score", "4"), ("X-Spam-Bar", "/")]
LEVEL = [("X-Spam-Level", "***")]
RSPAMD = [
    ("X-Rspamd-Server", "mx.example.test"),
    (
        "X-Spamd-Result",
        "default: False [-1.50 / 15.00];\n\tBAYES_HAM(-3.00)[99.9%];\n"
        "\tR_SPF_ALLOW(-0.20)[+ip4:192.0.2.10]",
    ),
    ("X-Spamd-Bar", "-"),
    ("X-Rspamd-Action", "no action"),
]
RSPAMD_SPAM = [
    ("X-Spamd-Bar", "++++++"),
    ("X-Spam", "Yes"),
    ("X-Spam-Status", "Yes, score=6.40"),
    ("X-Spam-Action", "add header"),
]
RSPAMD_BAR = [("X-Spamd-Bar", "---")]
FOREFRONT = [
    (
        "X-Forefront-Antispam-Report",
        "CIP:192.0.2.10;CTRY:DE;LANG:en;SCL:5;SRV:;IPV:NLI;SFV:SPM;H:mail.sender.test;\r\n"
        " PTR:mail.sender.test;CAT:SPM;SFS:(13230040)(366016);DIR:INB;",
    ),
    ("X-Microsoft-Antispam", "BCL:7;ARA:13230040|366016;"),
    ("X-MS-Exchange-Organization-SCL", "5"),
    ("X-Microsoft-Antispam-Mailbox-Delivery", "ucf:0;jmr:0;auth:0;dest:J;ENG:(910001)(944506478);"),
]
RELEASED = [("X-Forefront-Antispam-Report", "SCL:9;SFV:SKQ;")]
SCL_ONLY = [("X-MS-Exchange-Organization-SCL", "-1")]
SCL_HIGH = [("X-MS-Exchange-Organization-SCL", "9")]
PROOFPOINT = [
    (
        "X-Proofpoint-Spam-Details",
        "rule=inbound_notspam policy=inbound score=12 spamscore=12 mlxlogscore=999",
    ),
    ("X-Proofpoint-Virus-Version", "vendor=baseguard engine=ICAP:2.0.293"),
]
PROOFPOINT_SPAM = [("X-Proofpoint-Spam-Details", "rule=quarantine_spam policy=default score=100")]
MIMECAST = [("X-Mimecast-Spam-Score", "3")]
MIMECAST_SPAM = [("X-Mimecast-Spam-Score", "28"), ("X-Mimecast-Spam-Signature", "yes")]
BARRACUDA = [
    ("X-Barracuda-Spam-Score", "0.50"),
    (
        "X-Barracuda-Spam-Status",
        "No, SCORE=0.50 using global scores of TAG_LEVEL=3.5 QUARANTINE_LEVEL=1000.0"
        " KILL_LEVEL=9.0 tests=BSF_SC0_MISMATCH_TO",
    ),
]
BARRACUDA_FLAG = [("X-Barracuda-Spam-Flag", "YES"), ("X-Barracuda-Spam-Score", "9.2")]
GMAIL = [("X-Gm-Message-State", "AOJu0Yx1"), ("X-Gm-Spam", "0"), ("X-Gm-Phishy", "1")]
GMAIL_OPAQUE = [("X-Gm-Message-State", "AOJu0Yx1")]
SES = [("X-SES-Spam-Verdict", "FAIL"), ("X-SES-Virus-Verdict", "PASS")]
BOGOFILTER = [("X-Bogosity", "Ham, tests=bogofilter, spamicity=0.000012, version=1.2.5")]
MAILSCANNER = [
    (
        "X-Example-MailScanner-SpamCheck",
        "not spam, SpamAssassin (not cached,\n\tscore=-1.9, required 6, BAYES_00 -1.90)",
    ),
    ("X-Example-MailScanner", "Found to be clean"),
]
VADE = [("X-VR-SPAMSTATE", "OK"), ("X-VR-SPAMSCORE", "30"), ("X-VR-SPAMCAUSE", "gggruggv")]
IRONPORT = [("X-IronPort-Anti-Spam-Result", "A0ABAQ"), ("X-SBRS", "3.4")]

# header, system, is_spam, score, threshold, action
TOLD = [
    (SPAMASSASSIN, "spamassassin", True, 5.7, 5.0, None),
    (AMAVIS, "spamassassin", False, -1.899, 6.31, None),
    (OLD, "spamassassin", False, -2.6, 5.0, None),
    (BARE, "x-spam", False, None, None, None),
    (CPANEL, "x-spam", False, 0.4, None, None),
    (LEVEL, "x-spam", None, 3.0, None, None),
    (RSPAMD, "rspamd", False, -1.5, 15.0, "no action"),
    (RSPAMD_SPAM, "rspamd", True, 6.4, None, "add header"),
    (RSPAMD_BAR, "rspamd", None, -3.0, None, None),
    (FOREFRONT, "microsoft", True, 5.0, None, "junk"),
    (RELEASED, "microsoft", False, 9.0, None, None),
    (SCL_ONLY, "microsoft", False, -1.0, None, None),
    (SCL_HIGH, "microsoft", True, 9.0, None, None),
    (PROOFPOINT, "proofpoint", False, 12.0, None, "inbound_notspam"),
    (PROOFPOINT_SPAM, "proofpoint", True, 100.0, None, "quarantine_spam"),
    (MIMECAST, "mimecast", None, 3.0, None, None),
    (MIMECAST_SPAM, "mimecast", True, 28.0, None, None),
    (BARRACUDA, "barracuda", False, 0.5, 3.5, None),
    (BARRACUDA_FLAG, "barracuda", True, 9.2, None, None),
    (GMAIL, "gmail", True, None, None, None),
    (GMAIL_OPAQUE, "gmail", None, None, None, None),
    (SES, "amazon_ses", True, None, None, None),
    (BOGOFILTER, "bogofilter", False, 0.000012, None, None),
    (MAILSCANNER, "mailscanner", False, -1.9, 6.0, None),
    (VADE, "vade", False, 30.0, None, "OK"),
    (IRONPORT, "ironport", None, None, None, None),
]


def _only(header: Header) -> SpamVerdict:
    (verdict,) = spam_verdicts(header)
    return verdict


@pytest.mark.parametrize(("header", "told"), [(told[0], told[1:]) for told in TOLD])
def test_every_filter_is_told_by_what_it_wrote(header: Header, told: tuple[object, ...]) -> None:
    verdict = _only([("Subject", "X-Spam-Flag: YES"), *header])
    said = (verdict.system, verdict.is_spam, verdict.score, verdict.threshold, verdict.action)
    assert said == told
    assert verdict.raw == tuple(header)


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        (SPAMASSASSIN, "tests", "BAYES_99, HTML_MESSAGE,SPF_PASS"),
        (SPAMASSASSIN, "autolearn", "no"),
        (SPAMASSASSIN, "version", "4.0.0"),
        (SPAMASSASSIN, "x-spam-level", "*****"),
        (AMAVIS, "tests", "BAYES_00=-1.9, X=0.001"),
        (RSPAMD, "symbols", "BAYES_HAM=-3.00 R_SPF_ALLOW=-0.20"),
        (FOREFRONT, "CIP", "192.0.2.10"),
        (FOREFRONT, "CAT", "SPM"),
        (FOREFRONT, "BCL", "7"),
        (FOREFRONT, "IPV", "NLI"),
        (FOREFRONT, "SRV", ""),
        (FOREFRONT, "jmr", "0"),
        (BARRACUDA, "kill_level", "9.0"),
        (GMAIL, "x-gm-phishy", "1"),
        (SES, "x-ses-virus-verdict", "PASS"),
        (IRONPORT, "reputation", "3.4"),
    ],
)
def test_the_other_facts_are_kept_by_name(header: Header, name: str, value: str) -> None:
    assert _only(header).details[name] == value


def test_filters_are_told_apart_and_stand_in_the_order_of_the_header() -> None:
    header = [*FOREFRONT, *SPAMASSASSIN, *MIMECAST, *BARRACUDA]
    systems = [verdict.system for verdict in spam_verdicts(header)]
    assert systems == ["microsoft", "spamassassin", "mimecast", "barracuda"]


def test_two_scans_of_one_kind_are_two_verdicts() -> None:
    verdicts = spam_verdicts([*SPAMASSASSIN, ("Received", "x"), *AMAVIS])
    assert [(verdict.system, verdict.is_spam) for verdict in verdicts] == [
        ("spamassassin", True),
        ("spamassassin", False),
    ]


def test_rspamd_beside_spamassassin_leaves_it_its_own_fields() -> None:
    verdicts = spam_verdicts([*RSPAMD, *AMAVIS])
    assert [(verdict.system, verdict.score) for verdict in verdicts] == [
        ("rspamd", -1.5),
        ("spamassassin", -1.899),
    ]


@pytest.mark.parametrize("name", ["x-spam-flag", "X-SPAM-FLAG", " X-Spam-Flag "])
def test_names_are_compared_without_regard_to_case(name: str) -> None:
    assert _only([(name, "Yes")]).is_spam is True


@pytest.mark.parametrize("score", ["", "high", "nan", "inf", "1e999", "1.2.3", "9" * 400, "²"])
def test_a_score_that_is_no_number_is_none(score: str) -> None:
    assert _only([("X-Spam-Score", score), ("X-Mimecast", "1")]).score is None


def test_a_header_that_no_filter_wrote_gives_nothing() -> None:
    assert spam_verdicts([("From", "a@b.test"), ("X-Spammer", "YES")]) == ()


def test_only_the_first_fields_are_looked_at() -> None:
    assert spam_verdicts([("X", "")] * MAX_FIELDS + BARE) == ()


_NAMES = st.sampled_from(sorted({name for header, *_ in TOLD for name, _ in header}))
_SIGNS = st.sampled_from(
    ["Yes", "score=", "5.1", ";", "SCL:", "[", "/", "(", "tests=", "=", " ", "\n"]
)
_VALUES = st.text() | st.lists(_SIGNS).map("".join)


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(st.tuples(_NAMES | st.text(), _VALUES)))
def test_any_header_gives_verdicts_that_lose_no_field(header: Header) -> None:
    verdicts = spam_verdicts(header)
    kept = [field for verdict in verdicts for field in verdict.raw]
    known = {name.lower() for wrote, *_ in TOLD for name, _ in wrote}
    assert sorted(field for field in header if field[0].lower() in known) == sorted(
        field for field in kept if field[0].lower() in known
    )


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    ["tests=", "tests= a ", "[", "A1(", "a=", "a=1 ", "SCL:5;", "+", "-", " ", "score=1, ", "9"],
)
@pytest.mark.parametrize("name", sorted({told[0][0] for told, *_ in TOLD}))
def test_long_texts_are_read_at_once(name: str, piece: str) -> None:
    assert len(spam_verdicts([(name, piece * (200_000 // len(piece)))])) == 1
