import asyncio
import logging
import ssl
import sys
from email import policy
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import aiosmtplib
import pytest
import uvloop

from exporter.demo import scenario
from exporter.demo.behaviours import ServerBehaviour, Treatment, WorldBehaviour
from exporter.demo.faults import Fault, find
from exporter.demo.scenario import GTUBE, IMAP_HOST, MX_HOST, SENDER, SUBMISSION_HOST
from exporter.demo.world import MailWorld
from tests.hostility.watching import settled, sockets
from tests.support.demo_clients import (
    PATIENCE,
    MailReader,
    count,
    inbox,
    letter,
    smtp,
    submission,
    submit,
    trusting,
)
from tests.support.processes import completed

HEALTHY, GREYLISTED, SLOW, JUNKED, DIRECT, REJECTED = (
    f"{name}@receiver.test"
    for name in ("healthy", "greylisted", "slow", "junked", "direct", "rejected")
)


def parsed(message: Message) -> Message:
    return BytesParser(policy=policy.default).parsebytes(message.as_bytes())


async def send_direct(world: MailWorld, to: str) -> None:
    async with smtp(world.access.mx_port) as client:
        await client.sendmail(SENDER, [to], letter(to))


# The way of a message


async def test_a_submitted_message_arrives_with_the_trace_of_both_hops(world: MailWorld) -> None:
    await submit(world.access, HEALTHY)
    [message] = await inbox(world.access)
    assert message["Return-Path"] == f"<{SENDER}>"
    last, first = message.get_all("Received", [])
    assert f"by {SUBMISSION_HOST} (mailcanary demo) with ESMTPSA id" in " ".join(first.split())
    assert f"from {SUBMISSION_HOST} ([127.0.0.1]) by {MX_HOST}" in " ".join(last.split())
    assert "with ESMTPS id" in " ".join(last.split())
    assert f"for <{HEALTHY}>" in " ".join(last.split())


async def test_the_mx_host_writes_what_it_found_out(world: MailWorld) -> None:
    await submit(world.access, HEALTHY)
    [message] = await inbox(world.access)
    assert message["Authentication-Results"].split(";\r\n\t") == [
        MX_HOST,
        "spf=pass smtp.mailfrom=sender.test",
        "dkim=pass header.d=sender.test header.s=demo",
    ]


async def test_a_body_arrives_as_it_was_sent(world: MailWorld) -> None:
    await submit(world.access, HEALTHY, text=".\r\n..dots\r\n" + "x" * 900)
    [message] = await inbox(world.access)
    assert message.get_payload() == ".\r\n..dots\r\n" + "x" * 900 + "\r\n"


async def test_implicit_tls_and_auth_login_work_as_well(world: MailWorld) -> None:
    context = trusting(world.access)
    context.check_hostname = False
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1",
        port=world.access.submissions_port,
        use_tls=True,
        tls_context=context,
    )
    async with client:
        await client.ehlo()
        await client.auth_login(world.access.username, world.access.password)
        await client.sendmail(SENDER, [HEALTHY], letter(HEALTHY))
    assert len(await inbox(world.access)) == 1


async def test_every_recipient_of_a_message_gets_a_copy(world: MailWorld) -> None:
    async with submission(world.access) as client:
        await client.sendmail(SENDER, [HEALTHY, DIRECT], letter(HEALTHY))
    copies = await inbox(world.access, at_least=2)
    received = " ".join(str(copy["Received"]) for copy in copies)
    assert f"for <{HEALTHY}>" in received
    assert f"for <{DIRECT}>" in received


@pytest.mark.slow("a greylist has its time")
async def test_a_greylisted_message_is_tried_again_and_arrives(world: MailWorld) -> None:
    async with smtp(world.access.mx_port) as client:
        await client.ehlo()
        await client.mail("other@sender.test")
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
            await client.rcpt(GREYLISTED)
        assert (refused.value.code, refused.value.message[:6]) == (451, "4.7.1 ")
    await submit(world.access, GREYLISTED)
    assert len(await inbox(world.access)) == 1


async def test_a_slow_delivery_comes_after_the_mail_that_overtakes_it(world: MailWorld) -> None:
    sooner = {SLOW: Treatment(delivery_delay=0.5)}
    await world.apply(Fault("sooner", "", WorldBehaviour(recipients=sooner), {}))
    await send_direct(world, SLOW)
    await send_direct(world, DIRECT)
    [first, second] = await inbox(world.access, at_least=2)
    assert (first["To"], second["To"]) == (f"<{DIRECT}>", f"<{SLOW}>")


async def test_what_looks_like_spam_goes_to_junk(world: MailWorld) -> None:
    await submit(world.access, JUNKED, text=GTUBE)
    [message] = await inbox(world.access, folder="Junk")
    assert message["X-Spam"] == "Yes"
    assert await count(world.access, "INBOX") == 0


async def test_an_unknown_recipient_is_refused_at_the_door(world: MailWorld) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send_direct(world, REJECTED)
    [refusal] = refused.value.recipients
    assert (refusal.code, refusal.message) == (550, f"5.1.1 <{REJECTED}>: no such user here")


async def test_the_mx_host_relays_for_nobody(world: MailWorld) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send_direct(world, "somebody@else.test")
    assert refused.value.recipients[0].message == "5.7.1 Relaying denied"


async def test_a_recipient_refused_for_good_comes_back_as_a_bounce(world: MailWorld) -> None:
    await submit(world.access, REJECTED)
    [message] = await inbox(world.access)
    report = parsed(message)
    assert report["Return-Path"] == "<>"
    assert report["To"] == SENDER
    assert report.get_content_type() == "multipart/report"
    [_, status, returned] = report.iter_parts()
    fields = status.get_payload()[1]
    assert fields["Final-Recipient"] == f"rfc822; {REJECTED}"
    assert fields["Status"] == "5.1.1"
    assert fields["Remote-MTA"] == f"dns; {MX_HOST}"
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert "Subject: a letter" in returned.get_payload()


async def test_a_bounce_itself_never_bounces(world: MailWorld) -> None:
    async with submission(world.access) as client:
        await client.sendmail("nobody@sender.test", [REJECTED], letter(REJECTED))
        await client.sendmail(SENDER, [REJECTED], letter(REJECTED))
    [message] = await inbox(world.access)
    assert message["To"] == SENDER


async def test_mail_that_nobody_takes_in_time_is_returned_as_expired() -> None:
    world = MailWorld([find("greylist")], retry_after=0.05, lifetime=0.2)
    async with world:
        await submit(world.access, HEALTHY)
        [message] = await inbox(world.access)
    [_, status, _] = parsed(message).iter_parts()
    assert status.get_payload()[1]["Status"] == "4.4.7"
    assert status.get_payload()[1]["Diagnostic-Code"].startswith("smtp; 451 4.7.1")


# Doors


async def test_nobody_sends_without_logging_in(world: MailWorld) -> None:
    async with smtp(world.access.submission_port) as client:
        await client.ehlo()
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
            await client.mail(SENDER)
        assert refused.value.code == 530


async def test_a_wrong_password_is_refused(world: MailWorld) -> None:
    async with smtp(world.access.submission_port) as client:
        await client.starttls(server_hostname=SUBMISSION_HOST, tls_context=trusting(world.access))
        await client.ehlo()
        for login in (client.auth_plain, client.auth_login):
            for name in (world.access.username, "nobody"):
                with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
                    await login(name, "wrong")
                assert refused.value.code == 535


async def test_the_mx_host_offers_starttls_and_no_auth(world: MailWorld) -> None:
    async with smtp(world.access.mx_port) as client:
        await client.starttls(server_hostname=MX_HOST, tls_context=trusting(world.access))
        await client.ehlo()
        assert not client.supports_extension("auth")
        assert not client.supports_extension("starttls")
        assert client.supports_extension("8bitmime")


async def test_a_login_leaves_no_warning_in_the_log(
    world: MailWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await submit(world.access, HEALTHY)
        await inbox(world.access)
    assert caplog.records == []


async def test_a_handshake_that_the_client_gives_up_is_no_error_in_the_log(
    world: MailWorld, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = ssl.create_default_context()
    with caplog.at_level(logging.WARNING):
        async with smtp(world.access.submission_port) as client:
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.starttls(server_hostname=SUBMISSION_HOST, tls_context=stranger)
        await submit(world.access, HEALTHY)
        await inbox(world.access)
    assert caplog.records == []


# Faults


@pytest.mark.slow("a greylist has its time")
async def test_a_greylist_for_everyone_defers_whoever_comes_for_the_first_time(
    world: MailWorld,
) -> None:
    await world.apply(find("greylist"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send_direct(world, DIRECT)
    assert refused.value.recipients[0].code == 451
    await submit(world.access, HEALTHY)
    assert len(await inbox(world.access)) == 1


async def test_a_tarpit_takes_its_time_for_every_reply(world: MailWorld) -> None:
    pit = Fault("pit", "", WorldBehaviour(mx=ServerBehaviour(reply_delay=0.1)), {})
    await world.apply(pit)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await send_direct(world, DIRECT)  # greeting, EHLO, MAIL, RCPT, DATA, end of data
    assert loop.time() - began >= 0.6


async def test_a_reject_for_everyone_bounces_what_was_relayed(world: MailWorld) -> None:
    await world.apply(find("reject"))
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send_direct(world, DIRECT)
    assert refused.value.recipients[0].code == 550
    await submit(world.access, HEALTHY)
    [message] = await inbox(world.access)
    assert message.get_content_type() == "multipart/report"


async def test_a_filter_gone_wild_files_everything_as_junk(world: MailWorld) -> None:
    await world.apply(find("junk"))
    await submit(world.access, HEALTHY)
    [message] = await inbox(world.access, folder="Junk")
    assert message["X-Spam"] is None


@pytest.mark.parametrize("to", [HEALTHY, DIRECT])
@pytest.mark.parametrize("name", ["drop-after-data", "drop-after-data-lost"])
async def test_a_connection_is_reset_after_the_final_dot(
    world: MailWorld, name: str, to: str
) -> None:
    await world.apply(find(name))
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await (submit(world.access, to) if to == HEALTHY else send_direct(world, to))
    await world.heal()
    is_kept = name == "drop-after-data"
    if is_kept:
        await inbox(world.access)
    await send_direct(world, DIRECT)
    assert await count(world.access) == 1 + is_kept


async def test_the_reset_after_the_final_dot_is_a_reset(world: MailWorld) -> None:
    await world.apply(find("drop-after-data-lost"))
    reader, writer = await asyncio.open_connection("127.0.0.1", world.access.mx_port)
    async with asyncio.timeout(PATIENCE):
        for command in (
            "EHLO x.test",
            f"MAIL FROM:<{SENDER}>",
            f"RCPT TO:<{DIRECT}>",
            "DATA",
            "Subject: x\r\n\r\n.",
        ):
            writer.write(f"{command}\r\n".encode())
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
    writer.transport.abort()


async def test_an_expired_certificate_is_shown_until_the_world_is_healed(world: MailWorld) -> None:
    await world.apply(find("expired-certificate"))
    for port, host in (
        (world.access.submission_port, SUBMISSION_HOST),
        (world.access.mx_port, MX_HOST),
    ):
        async with smtp(port) as client:
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                await client.starttls(server_hostname=host, tls_context=trusting(world.access))
    await implicit_handshake_fails(world)
    await world.heal()
    await submit(world.access, HEALTHY)
    assert len(await inbox(world.access)) == 1


async def implicit_handshake_fails(world: MailWorld) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await asyncio.open_connection(
            "127.0.0.1",
            world.access.submissions_port,
            ssl=trusting(world.access),
            server_hostname=SUBMISSION_HOST,
        )


async def test_mail_waits_in_the_relay_while_the_receiving_dns_fails(world: MailWorld) -> None:
    await world.apply(find("dns-servfail"))
    await submit(world.access, HEALTHY)
    await send_direct(world, DIRECT)
    assert await count(world.access) == 1
    await world.heal()
    assert len(await inbox(world.access, at_least=2)) == 2


async def test_a_mailbox_that_is_down_takes_mail_all_the_same(world: MailWorld) -> None:
    await world.apply(find("imap-down"))
    with pytest.raises(ConnectionRefusedError):
        await count(world.access)
    await send_direct(world, DIRECT)
    await world.heal()
    assert await count(world.access) == 1


async def test_lost_mail_was_accepted_and_never_arrives(world: MailWorld) -> None:
    await world.apply(find("loss"))
    await send_direct(world, DIRECT)
    await world.heal()
    await send_direct(world, DIRECT)
    assert await count(world.access) == 1


async def test_a_world_can_have_faults_from_the_start() -> None:
    async with MailWorld([find("imap-down"), find("greylist")]) as world:
        assert [fault.name for fault in world.faults] == ["imap-down", "greylist"]
        with pytest.raises(ConnectionRefusedError):
            await count(world.access)
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send_direct(world, DIRECT)


# The world as a whole


async def test_the_world_says_what_it_intends_with_and_without_a_fault(world: MailWorld) -> None:
    assert world.intended["healthy"] == "arrived"
    await world.apply(find("loss"))
    assert world.intended["healthy"] == "lost"
    await world.heal()
    assert world.intended["healthy"] == "arrived"


async def test_the_names_of_the_world_lead_to_its_servers(world: MailWorld) -> None:
    async with MailReader.open(world.access):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.access.submission_port)
        assert (await reader.readline()).startswith(f"220 {SUBMISSION_HOST} ".encode())
        writer.transport.abort()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.access.imap_port)
    assert IMAP_HOST.encode() in await reader.readline()
    writer.transport.abort()


async def test_nothing_is_left_of_a_world_that_has_ended() -> None:
    before = sockets()
    async with MailWorld() as world:
        access = world.access
        await submit(access, GREYLISTED)
        await send_direct(world, SLOW)
        async with MailReader.open(access) as reader:
            idle = asyncio.create_task(reader.messages("INBOX", 1))
            await asyncio.sleep(0)
            _, writer = await asyncio.open_connection("127.0.0.1", access.mx_port)
    idle.cancel()
    await asyncio.gather(idle, return_exceptions=True)
    writer.transport.abort()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not Path(access.ca_file).parent.exists()
    await settled()
    assert sockets() <= before


def test_the_world_runs_under_uvloop() -> None:
    async def round_trip() -> None:
        async with MailWorld(retry_after=0.2) as world:
            await submit(world.access, HEALTHY)
            await submit(world.access, REJECTED)
            assert len(await inbox(world.access, at_least=2)) == 2
            await world.apply(find("drop-after-data-lost"))
            for send in (submit(world.access, HEALTHY), send_direct(world, DIRECT)):
                with pytest.raises(aiosmtplib.SMTPServerDisconnected):
                    await send
            await world.apply(find("imap-down"))
            with pytest.raises(ConnectionRefusedError):
                await count(world.access)

    uvloop.run(round_trip())


@pytest.mark.slow("starts a world for every moment")
def test_the_world_can_end_at_any_moment_of_a_look_up() -> None:
    async def end_early(delay: float) -> None:
        async with MailWorld([find("dns-servfail")]) as world:
            await submit(world.access, HEALTHY)
            await asyncio.sleep(delay)

    async def many() -> None:
        async with asyncio.timeout(PATIENCE):
            for step in range(10):
                await end_early(step * 0.0005)

    uvloop.run(many())


@pytest.mark.slow("starts the program as a process")
def test_the_world_starts_and_ends_in_a_fresh_process_without_a_word() -> None:
    program = (
        "import asyncio\n"
        "from exporter.demo.world import MailWorld\n"
        "async def main():\n"
        "    async with MailWorld() as world:\n"
        "        print(len(world.intended))\n"
        "asyncio.run(main())\n"
    )
    done = completed(sys.executable, "-W", "error", "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


def test_every_path_of_the_scenario_has_its_own_recipient() -> None:
    recipients = [path.recipient for path in scenario.EXAMPLE_PATHS]
    assert len(set(recipients)) == len(recipients)


async def test_a_client_that_gives_up_before_the_greeting_is_let_go() -> None:
    async with MailWorld([find("tarpit")]) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.access.mx_port)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
