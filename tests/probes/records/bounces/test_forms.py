"""Bounces in the odd forms of many servers and languages, and mail that only resembles them.

The messages of tests/corpus/bounce_forms.json are of our own making. `recipients` is null for mail
that is no bounce.
"""

import json
from typing import Any

import pytest

from probes.records.bounces.dsn import parse_dsn
from tests.support.places import CORPUS

FORMS: list[dict[str, Any]] = json.loads((CORPUS / "bounce_forms.json").read_text("utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=[form["name"] for form in FORMS])
def test_a_form_is_read_as_its_server_meant_it(form: dict[str, Any]) -> None:
    bounce = parse_dsn(form["message"].encode())
    if form["recipients"] is None:
        assert bounce is None
        return
    assert bounce is not None
    first = bounce.recipients[0]
    assert [one.recipient for one in bounce.recipients] == form["recipients"]
    assert first.status == (form["status"] and tuple(map(int, form["status"].split("."))))
    assert first.reply_code == form["code"]
    assert form["reason"] in (None, first.reason)
