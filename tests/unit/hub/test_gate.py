"""The gate over real mutual TLS: who gets in, who may do what, how errors leave, and what follows an amendment."""

import asyncio
import base64
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from support.hub import connected, make_folder, make_lot, served
from support.hub_members import TestMember, attending
from support.world import World
from vigie import note, statement
from vigie.bodies import Approval, Delivery, Refusal, read, text_for
from vigie.certificate import issue_certificate
from vigie.client import hub_channel, our_errors
from vigie.clock import stamp, utc_now
from vigie.errors import BadSignature, ConfigError, Malformed, Missing, Refused, StateError, Unavailable, VigieError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.server import Hub, start
from vigie_hub.table import RULES

Go = Callable[[Coroutine[Any, Any, None]], None]
MEMBERS = ("acoss", "auditeur", "hub")


@asynccontextmanager
async def alone(folder: Path, world: World, member: str) -> AsyncIterator[tuple[Hub, grpc.aio.Channel]]:
    """A hub and one member's channel to it."""
    config = make_folder(folder / "hub", world)
    async with served(config, world) as hub, connected(hub.address, world, member) as channel:
        yield hub, channel


def test_the_live_server_serves_exactly_the_table(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with alone(tmp_path, world, "auditeur") as (_, channel):
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            answers = stub.ServerReflectionInfo(iter([request]))
            names = {one.name async for answer in answers for one in answer.list_services_response.service}
            assert names == {name.split("/")[1] for name in RULES}
            health = health_pb2_grpc.HealthStub(channel)
            found = await health.Check(health_pb2.HealthCheckRequest(service="vigie.v1.Deposit"))
            assert found.status == health_pb2.HealthCheckResponse.SERVING

    run(story())


@pytest.mark.parametrize("member", MEMBERS)
def test_every_method_refuses_every_role_that_the_table_does_not_name(
    tmp_path: Path, world: World, run: Go, member: str
) -> None:
    async def story() -> None:
        roles = world.convention.member(member).roles
        async with alone(tmp_path, world, member) as (_, channel):
            for method, rule in RULES.items():
                call: Any = channel.stream_stream(method)(iter([b""]))  # type: ignore[arg-type]
                refused = None
                try:
                    async with asyncio.timeout(5):
                        async for _ in call:
                            break
                    call.cancel()
                except (grpc.aio.AioRpcError, TimeoutError) as exc:
                    call.cancel()
                    if isinstance(exc, grpc.aio.AioRpcError):
                        refused = "role" in str(exc.trailing_metadata())
                assert bool(refused) == (not rule.roles & roles), method

    run(story())


def test_a_method_that_nobody_serves_is_refused(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with alone(tmp_path, world, "acoss") as (_, channel):
            with pytest.raises(Refused) as caught, our_errors():
                call: Any = channel.unary_unary("/vigie.v1.Deposit/Delete")
                await call(b"")
            assert caught.value.claim == "method"

    run(story())


async def knock(hub: Hub, world: World, key: bytes, certificate: bytes) -> None:
    member = world.convention.member("hub")
    channel = hub_channel(
        hub.address, key_pem=key, cert_pem=certificate, hub_cert_pem=member.certificate_pem, hub_name="hub"
    )
    try:
        with our_errors():
            await rpc.JournalStub(channel).Checkpoint(pb.CheckpointRequest(), timeout=5)
    finally:
        await channel.close()


def test_a_stranger_with_a_members_name_does_not_get_through_the_handshake(
    tmp_path: Path, world: World, run: Go
) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            await knock(hub, world, *world.keyrings["acoss"].tls())
            with pytest.raises(Unavailable):
                await knock(hub, world, *issue_certificate("acoss", utc_now()))

    run(story())


def test_a_connection_without_a_certificate_does_not_get_through(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            credentials = grpc.ssl_channel_credentials(world.convention.member("hub").certificate_pem)
            options = [("grpc.ssl_target_name_override", "hub.vigie")]
            channel = grpc.aio.secure_channel(hub.address, credentials, options)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc.JournalStub(channel).Checkpoint(pb.CheckpointRequest(), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await channel.close()

    run(story())


def test_after_an_amendment_the_new_certificate_counts_at_once_and_the_old_one_no_more(
    tmp_path: Path, world: World, run: Go
) -> None:
    async def story() -> None:
        config = make_folder(tmp_path / "hub", world)
        async with AsyncExitStack() as stack:
            hub = await stack.enter_async_context(served(config, world))
            old_tls = world.keyrings["travail"].tls()
            open_channel = await stack.enter_async_context(connected(hub.address, world, "travail"))
            journal = rpc.JournalStub(open_channel)
            await journal.Checkpoint(pb.CheckpointRequest())
            key, certificate = issue_certificate("travail", utc_now() - timedelta(minutes=1))
            first = world.convention
            rotate(world, "travail", certificate)
            auditor = await stack.enter_async_context(connected(hub.address, world, "auditeur"))
            with our_errors():
                answer = await rpc.JournalStub(auditor).Submit(pb.SubmitRequest(statement=world.convention_raw))
            verify_receipt(Receipt.parse(answer.receipt), world.convention_raw, first.log_key())
            await knock(hub, world, key, certificate)
            # The connection that was open belongs to nobody now, and a new one is not made.
            with pytest.raises(Refused) as caught, our_errors():
                await journal.Checkpoint(pb.CheckpointRequest())
            assert caught.value.claim == "member"
            with pytest.raises(VigieError):
                await knock(hub, world, *old_tls)
            assert len(list(config.conventions.iterdir())) == 2
        async with served(config, world) as again:
            assert again.agreement.current.digest == world.chain.digest
            assert again.journal.size == 2
            await knock(again, world, key, certificate)

    run(story())


def rotate(world: World, member: str, certificate: bytes) -> None:
    """Amend the convention with another certificate of a member."""
    der = ssl.PEM_cert_to_DER_cert(certificate.decode())
    world.amend({f"member.{member}.certificate": base64.b64encode(der).decode()})


def test_an_amendment_that_somebody_did_not_sign_changes_nothing(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            before = hub.agreement.current
            world.amend({"convention.title": "another"})
            opened = statement.parse(world.convention_raw)
            lines = [line for line in opened.note.signatures if not line.name.startswith("travail")]
            unsigned = note.assemble(opened.text, lines)
            async with connected(hub.address, world, "acoss") as channel:
                with pytest.raises(BadSignature), our_errors():
                    await rpc.JournalStub(channel).Submit(pb.SubmitRequest(statement=unsigned))
            assert hub.agreement.current is before and hub.journal.size == 1

    run(story())


def test_members_submit_their_own_statements_and_no_others(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with alone(tmp_path, world, "acoss") as (hub, channel):
            journal = rpc.JournalStub(channel)

            async def submit(raw: bytes) -> bytes:
                with our_errors():
                    return (await journal.Submit(pb.SubmitRequest(statement=raw))).receipt

            approval = world.approve(b"\x01" * 32, ["acoss"])[0]
            receipt = await submit(approval.raw)
            verify_receipt(Receipt.parse(receipt), approval.raw, world.convention.log_key())
            assert await submit(approval.raw) == receipt
            claims = []
            foreign = world.approve(b"\x01" * 32, ["travail"])[0]
            lot = make_lot(world).statement
            for raw in (foreign.raw, lot.raw):
                with pytest.raises(Refused) as caught:
                    await submit(raw)
                claims.append(caught.value.claim)
            assert claims == ["signer", "kind"]
            forged = Approval(world.chain.digest, b"\x01" * 32, "travail", stamp(utc_now()))
            with pytest.raises(BadSignature):
                await submit(statement.sign_text(text_for(forged), [world.signer("acoss")]).raw)
            delivery = Delivery(
                world.chain.digest, b"\x05" * 32, "acoss-list", "acoss", b"\x06" * 32, "A1", stamp(utc_now())
            )
            with pytest.raises(Missing):
                await submit(world.sign("acoss", delivery).raw)
            with pytest.raises(Malformed):
                await submit(b"nothing")
            entries = [read(statement.parse(raw), Refusal) for raw in hub.journal.find("refusal")]
            assert [entry.reason.claim for entry in entries] == ["signer", "kind"]
            assert [entry.subject for entry in entries] == [foreign.digest, lot.digest]

    run(story())


def test_the_journal_is_read_page_by_page_and_proved(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            approvals = [world.approve(bytes([n]) * 32, ["acoss"])[0] for n in range(12)]
            async with connected(hub.address, world, "acoss") as channel:
                journal = rpc.JournalStub(channel)
                for approval in approvals:
                    await journal.Submit(pb.SubmitRequest(statement=approval.raw))
                page = await journal.Entries(pb.EntriesRequest(start=3, limit=5))
                assert list(page.entries) == [approval.raw for approval in approvals[2:7]]
                assert not (await journal.Entries(pb.EntriesRequest(start=13, limit=5))).entries
                with pytest.raises(Missing), our_errors():
                    await journal.Entries(pb.EntriesRequest(start=14, limit=5))
                found = await journal.Receipt(pb.ReceiptRequest(digest=approvals[4].digest))
                opened = verify_receipt(Receipt.parse(found.receipt), approvals[4].raw, world.convention.log_key())
                assert opened.checkpoint.size == hub.journal.size == 13

    run(story())


def test_the_wrong_keyring_or_convention_does_not_serve(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        config = make_folder(tmp_path / "hub", world)
        with pytest.raises((ConfigError, Missing)):
            await start(config, world.keyrings["acoss"])
        for path in config.conventions.iterdir():
            path.unlink()
        with pytest.raises(ConfigError, match="no convention"):
            await start(config, world.keyrings["hub"])

    run(story())


def test_a_second_hub_over_the_same_folder_or_address_is_refused(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        config = make_folder(tmp_path / "hub", world)
        async with served(config, world) as hub:
            with pytest.raises(StateError, match="another process"):
                await start(config, world.keyrings["hub"])
            other = replace(make_folder(tmp_path / "other", world), listen=hub.address)
            with pytest.raises(ConfigError, match="cannot listen"):
                await start(other, world.keyrings["hub"])

    run(story())


def test_a_member_that_attends_twice_is_served_on_the_newer_stream(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            (tmp_path / "one").mkdir()
            (tmp_path / "two").mkdir()
            first = TestMember(world, "travail", tmp_path / "one")
            second = TestMember(world, "travail", tmp_path / "two")
            async with attending(hub.address, [first]), attending(hub.address, [second]):
                assert hub.attendance.names() == ["travail"]

    run(story())


def test_a_stream_that_does_not_begin_with_a_hello_is_refused(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            async with connected(hub.address, world, "travail") as channel:
                with pytest.raises(Malformed), our_errors():
                    call = rpc.RelayStub(channel).Attend(iter([pb.AttendAnswer(id=1, pong=pb.Pong())]))
                    assert [answer async for answer in call] == []
            assert hub.attendance.names() == []

    run(story())


def test_metrics_are_counts_and_off_by_default(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        config = replace(make_folder(tmp_path / "hub", world), metrics=address)
        async with served(config, world) as hub:
            async with connected(hub.address, world, "acoss") as channel:
                await rpc.JournalStub(channel).Checkpoint(pb.CheckpointRequest())

            def read_page() -> str:
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as page:
                    return str(page.read().decode())

            text = await asyncio.to_thread(read_page)
            assert "vigie_hub_journal_entries 1.0" in text
            assert 'method="/vigie.v1.Journal/Checkpoint",outcome="ok"' in text
            assert "acoss" not in text
            with pytest.raises(ConfigError, match="metrics"):
                await start(replace(make_folder(tmp_path / "other", world), metrics=address), world.keyrings["hub"])

    run(story())
