"""What is said to authenticate, and what is never shown."""

import base64

import pytest

from probes.net.smtp_auth import authenticate
from probes.options import Secret
from probes.records.reply import Reply, parse_reply
from probes.result import Owner, ProbeFailure, Reason


class Server:
    """Answers each step with the next of its lines."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.heard: list[bytes] = []

    async def exchange(self, wanted: int, *words: bytes) -> Reply:
        self.heard.append(b" ".join(words))
        reply = parse_reply([self.answers.pop(0)])
        if reply.code != wanted:
            detail = f"the answer to AUTH was {reply}"
            raise ProbeFailure(Reason.AUTHENTICATION_FAILED, detail, reply=reply)
        return reply


async def test_plain_is_preferred_and_said_at_once() -> None:
    server = Server("235 ok")
    await authenticate(server.exchange, ("LOGIN", "PLAIN"), "user", Secret("pass"))
    assert server.heard == [b"AUTH PLAIN AHVzZXIAcGFzcw=="]


async def test_login_answers_two_questions() -> None:
    server = Server("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok")
    await authenticate(server.exchange, ("LOGIN",), "user", Secret("pass"))
    assert server.heard == [b"AUTH LOGIN", b"dXNlcg==", b"cGFzcw=="]


@pytest.mark.parametrize("length", [360, 366, 367, 400])
async def test_no_command_is_longer_than_the_standard_allows(length: int) -> None:
    server = Server("334 ", "235 ok") if length > 366 else Server("235 ok")
    await authenticate(server.exchange, ("PLAIN",), "user", Secret("x" * length))
    assert len(server.heard[0]) + 2 <= 512
    assert b"".join(server.heard).endswith(
        base64.b64encode(b"\0user\0" + b"x" * length).removeprefix(b"AUTH PLAIN ")
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_whatever_a_server_repeats_no_secret_is_in_the_failure(mechanism: str) -> None:
    shown = ("open sesame", "b3BlbiBzZXNhbWU=", "AHVzZXIAb3BlbiBzZXNhbWU=")
    refusal = "535 5.7.8 " + " ".join(shown)
    server = Server("334 ", "334 ", refusal) if mechanism == "LOGIN" else Server(refusal)
    with pytest.raises(ProbeFailure) as raised:
        await authenticate(server.exchange, (mechanism,), "user", Secret("open sesame"))
    told = f"{raised.value!r} {raised.value.detail} {raised.value.reply}"
    assert not any(secret in told for secret in shown)
    assert raised.value.reason is Reason.AUTHENTICATION_FAILED


async def test_credentials_that_cannot_be_said_are_our_problem() -> None:
    with pytest.raises(ProbeFailure) as raised:
        await authenticate(Server().exchange, ("PLAIN",), "us\0er", Secret("pass"))
    assert raised.value.owner is Owner.CONFIGURATION


NOT_UNDERSTOOD = (
    *("504 5.7.4 Unrecognized authentication type", "504 5.5.4 no", "504 unimplemented"),
    *("500 what", "500 5.5.1 unknown command", "502 5.5.1 not implemented", "503 5.5.1 not now"),
)


@pytest.mark.parametrize("answer", NOT_UNDERSTOOD)
async def test_the_next_mechanism_is_tried_where_one_was_not_understood(answer: str) -> None:
    server = Server(answer, "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok")
    odd: list[str] = []
    await authenticate(
        server.exchange,
        ("LOGIN", "PLAIN"),
        "user",
        Secret("pass"),
        lambda mechanism, _: odd.append(mechanism),
    )
    assert [line.split()[:2] for line in server.heard[:2]] == [
        [b"AUTH", b"PLAIN"],
        [b"AUTH", b"LOGIN"],
    ]
    assert odd == ["PLAIN"]


@pytest.mark.parametrize(
    "answer",
    [
        *("535 5.7.8 no", "535 no", "534 5.7.9 app password required", "534 5.7.9 too weak"),
        *("454 4.7.0 later", "432 4.7.12 change it", "421 4.7.0 bye", "538 5.7.11 no", "530 no"),
        *("504 5.7.8 Authentication credentials invalid", "501 Authentication failed!"),
        *("500 Invalid user or password", "503 5.7.0 Too many failures", "554 5.7.1 denied"),
        *("502 Account disabled", "501 5.7.0 no"),
    ],
)
async def test_no_other_mechanism_is_tried_after_a_refused_password(answer: str) -> None:
    server = Server(answer)
    with pytest.raises(ProbeFailure):
        await authenticate(server.exchange, ("LOGIN", "PLAIN"), "user", Secret("pass"))
    assert len(server.heard) == 1


@pytest.mark.parametrize("answer", ["501 5.5.4 syntax", "501 5.5.2 cannot decode", "501 no"])
async def test_plain_is_said_in_two_steps_where_one_is_not_understood(answer: str) -> None:
    server = Server(answer, "334 ", "235 ok")
    await authenticate(server.exchange, ("PLAIN",), "user", Secret("pass"))
    assert server.heard[1:] == [b"AUTH PLAIN", b"AHVzZXIAcGFzcw=="]


async def test_a_server_that_asks_for_the_initial_response_again_gets_it() -> None:
    server = Server("334 ", "235 ok")
    await authenticate(server.exchange, ("PLAIN",), "user", Secret("pass"))
    assert server.heard[1:] == [b"AHVzZXIAcGFzcw=="]


async def test_where_no_mechanism_is_understood_the_first_refusal_is_told() -> None:
    server = Server("504 5.7.4 no plain", "504 5.7.4 no login")
    with pytest.raises(ProbeFailure) as raised:
        await authenticate(server.exchange, ("LOGIN", "PLAIN"), "user", Secret("pass"))
    assert "no plain" in raised.value.detail
