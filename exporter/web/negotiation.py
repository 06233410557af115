"""Content negotiation, RFC 9110 §12.5: pure functions from header to choice."""

from collections.abc import Iterator, Mapping

from exporter.metrics.exposition import Format

_OPENMETRICS_VERSIONS = frozenset({"", "0.0.1", "1.0.0"})


def exposition_format(accept: str) -> Format:
    """Return OpenMetrics if its quality is at least that of plain text, else plain text.

    A wildcard asks for plain text: a person and every scraper can read it.
    """
    wishes: dict[Format, float] = {}
    for media_type, parameters, quality in _elements(accept):
        version = parameters.get("version", "")
        if media_type == "application/openmetrics-text" and version in _OPENMETRICS_VERSIONS:
            wishes[Format.OPENMETRICS] = max(quality, wishes.get(Format.OPENMETRICS, 0.0))
        elif media_type in ("text/plain", "text/*"):
            wishes[Format.TEXT] = max(quality, wishes.get(Format.TEXT, 0.0))
    openmetrics = wishes.get(Format.OPENMETRICS, 0.0)
    if openmetrics > 0 and openmetrics >= wishes.get(Format.TEXT, 0.0):
        return Format.OPENMETRICS
    return Format.TEXT


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client named gzip; a wildcard or no header at all is not a request for it."""
    return any(
        coding in ("gzip", "x-gzip") and quality > 0
        for coding, _, quality in _elements(accept_encoding)
    )


def _elements(header: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Value, parameters and quality of every list element; lower case, no quality means 1."""
    for element in header.lower().split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip(): text.strip().strip('"') for name, _, text in pairs}
        yield value, parameters, _quality(parameters.get("q", "1"))


def _quality(text: str) -> float:
    """RFC 9110 §12.4.2; a quality that is not a number between 0 and 1 counts as 0."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
