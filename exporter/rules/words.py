"""The texts of an alert's description, and the series that bring words for owners and reasons."""

from collections.abc import Iterator, Mapping

from exporter.reports.wording import OWNER_TEXTS
from exporter.rules.queries import constant
from exporter.rules.rule import Recording
from probes.catalogue.failures import ENDINGS

OWNER_SERIES = "mailcanary:owner_words:info"
REASON_SERIES = "mailcanary:reason_words:info"


def word_rules() -> tuple[Recording, ...]:
    """One series for each owner and each code of a failure; its label is the text."""
    owners = [
        Recording(OWNER_SERIES, "vector(1)", {"owner": str(owner), "words": text.name})
        for owner, text in OWNER_TEXTS.items()
    ]
    return (*owners, *_reason_rules())


def _reason_rules() -> Iterator[Recording]:
    for (reason, words), phases in _phases_of_texts().items():
        expr = "\nor ".join(constant("vector(1)", {"phase": phase}) for phase in phases)
        yield Recording(REASON_SERIES, expr, {"reason": reason, "words": words})


def _phases_of_texts() -> Mapping[tuple[str, str], list[str]]:
    """The phases in which each reason has the same text."""
    found: dict[tuple[str, str], list[str]] = {}
    told: set[str] = set()
    for ending in ENDINGS:
        words = ending.summary.replace("<step>", "this step").replace("`", "")
        phases = [str(one) for one in ending.phases if f"{one}.{ending.reason}" not in told]
        told |= {f"{one}.{ending.reason}" for one in phases}
        if phases:
            found.setdefault((str(ending.reason), words), []).extend(phases)
    return found


def who(blame: str, *labels: str) -> str:
    """The owner and the reason in words, taken from the series `blame` of the alert's labels.

    Where Prometheus cannot answer a query in a template, the words are left out.
    """
    matchers = ", ".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        f"{{{{ range printf `topk(1, {blame}{{{matchers}}})` {values} | query }}}}"
        f" {_reason()}{_owner()}{{{{ end }}}}"
    )


def _reason() -> str:
    series = f"{REASON_SERIES}{{phase=%q, reason=%q}}"
    return (
        "The reason seen most is {{ .Labels.phase }}.{{ .Labels.reason }}"
        f"{{{{ range printf `{series}` .Labels.phase .Labels.reason | query }}}}"
        ": {{ .Labels.words }}{{ end }}."
    )


def _owner() -> str:
    series = f"{OWNER_SERIES}{{owner=%q}}"
    return (
        f"{{{{ range printf `{series}` .Labels.owner | query }}}}"
        " The owner is {{ .Labels.words }}.{{ end }}"
    )


def owner_sentence() -> str:
    """The owner in words, for an alert whose expression brings the label `owner`."""
    series = f"{OWNER_SERIES}{{owner=%q}}"
    return (
        f"{{{{ range printf `{series}` $labels.owner | query }}}}"
        " The owner is {{ .Labels.words }}.{{ end }}"
    )
