"""A failure as every command tells it: step, reason, owner, the words, and what to do."""

from rich.text import Text

from exporter.reports.wording import owner_words, visible
from probes.result import Failure


def failure_view(failure: Failure, remedy: str = "") -> Text:
    """Phase, reason, owner, detail, the reply if the detail does not quote it, and the remedy."""
    line = Text(f"{failure.phase}: {failure.reason}", style="bold red")
    line.append(f"  owner: {owner_words(failure.owner)}", style="default")
    line.append(", may pass by itself" if failure.is_transient else "", style="dim")
    line.append(f"\n{visible(failure.detail)}", style="default")
    reply = failure.reply
    if reply is not None and (len(reply.lines) > 1 or reply.text not in failure.detail):
        last = len(reply.lines) - 1
        for number, text in enumerate(reply.lines):
            separator = " " if number == last else "-"
            line.append(f"\n{reply.code}{separator}{visible(text)}", style="cyan")
    if remedy:
        line.append("\ndo: ", style="cyan").append(visible(remedy), style="default")
    return line
