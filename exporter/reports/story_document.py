"""The story of a canary or a run as JSON."""

from typing import Any

from exporter.reports.story import Advice, Story, advice, story_state
from exporter.reports.timeline import Step, timeline
from probes.documents import to_json

STORY_VERSION = 1
"""The version of the documents that `story_json` makes."""


def story_json(story: Story) -> dict[str, Any]:
    """The document of `show --json`; see STORY_VERSION."""
    return {
        "version": STORY_VERSION,
        "name": story.name,
        "route": story.route,
        "state": str(story_state(story)),
        "team": story.team,
        "canary": to_json(story.record),
        "result": to_json(story.result),
        "timeline": [_step_json(step) for step in timeline(story)],
        "evidence": list(story.evidence),
        "findings": [_advice_json(one) for one in advice(story)],
        "changes": to_json(story.changes),
        "last_good": to_json(story.last_good),
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "name": str(step.name),
        "began": {"min": step.begin, "max": step.begun},
        "ended": {"min": step.ended, "max": step.end},
        "is_hop": step.is_hop,
        "is_slowest": step.is_slowest,
        "is_failed": step.is_failed,
    }


def _advice_json(one: Advice) -> dict[str, Any]:
    document: dict[str, Any] = to_json(one.finding)
    texts = {name: getattr(one, name) for name in ("summary", "why", "remedy", "verify")}
    return document | {"owner": str(one.owner)} | texts
