"""The README of the chart, made from the comments of its values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "mailcanary"

HEAD = """\
# Chart `mailcanary`

Installs one mailcanary with its ledger on a volume. Made from `values.yaml`; do not edit it.
[docs/kubernetes.md](../../docs/kubernetes.md) tells how to install it, step by step.

```
kubectl create secret generic canary-passwords --from-literal=SMTP_PASSWORD=... \\
    --from-literal=IMAP_PASSWORD=...
helm install mailcanary ./helm/mailcanary --values my-values.yaml
```

`my-values.yaml` has the configuration of mailcanary under `config`, and the secret by its name:

```yaml
config:
  ehlo_name: probe.example.com
  routes:
    relay:
      type: submission
      host: smtp.example.com
      username: canary
      password: "${SMTP_PASSWORD}"
  mailboxes:
    inbox:
      type: imap
      host: imap.example.net
      username: canary
      password: "${IMAP_PASSWORD}"
  paths:
    outbound:
      route: relay
      mailbox: inbox
      mail_from: canary@example.com
      rcpt_to: canary@example.net
envFrom:
  - secretRef: {name: canary-passwords}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboards: {enabled: true}
```

There is one replica, because the ledger is a SQLite file. A new version of the chart alone restarts
no pod. `helm test RELEASE` asks the service for its metrics.

## Values

| Value | Default | Meaning |
| --- | --- | --- |
"""


def readme() -> str:
    """The text of README.md."""
    text = (CHART / "values.yaml").read_text()
    comments = dict(_comments(text))
    rows = _rows(yaml.safe_load(text), comments)
    lines = (f"| `{name}` | `{default}` | {meaning} |\n" for name, default, meaning in rows)
    return HEAD + "".join(lines)


def write() -> None:
    """Write README.md."""
    (CHART / "README.md").write_text(readme())


def _rows(
    values: dict[str, Any], comments: dict[str, str], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every value; a mapping is one row or has rows of its own."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        has_rows = isinstance(value, dict) and any(f"{name}.{inner}" in comments for inner in value)
        if has_rows:
            yield from _rows(value, comments, f"{name}.")
        else:
            yield name, _default(value), comments[name]


def _default(value: Any) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return written.removesuffix("...\n").strip().replace("|", "\\|")


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """The comment above each key, by its name with dots."""
    said: list[str] = []
    names: list[tuple[int, str]] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            said.append(bare.removeprefix("#").strip())
            continue
        indent = len(line) - len(line.lstrip())
        key, colon, _ = bare.partition(":")
        if colon and key.isidentifier():
            names = [pair for pair in names if pair[0] < indent] + [(indent, key)]
            if said:
                yield ".".join(name for _, name in names), " ".join(said)
        said = []
