"""An enclave program that misbehaves on purpose, to see what the hub makes of it: ``scripted_enclave.py MODE FD``.

It speaks through the enclave's own channel and judges its task with the enclave's own intake, but opens nothing: its
results are random bytes. ``first-…`` modes misbehave in the first process only; ``MODE:FOLDER`` counts them there.
"""

import os
import secrets
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import rfc8785

from vigie import bodies, segment, statement
from vigie.attestation import binding
from vigie.authority import ENCLAVE_KEY_NAME
from vigie.bodies import Evidence, Run, RunResult
from vigie.clock import parse_time, stamp, utc_now
from vigie.convention import SOFTWARE
from vigie.hardware.bundle import digest_of
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey, generate, seal
from vigie_hub.enclave import sandbox
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.intake import NO_RELEASE, Task, check_go, read_task
from vigie_hub.enclave.messages import (
    Begin,
    Claim,
    Done,
    Failed,
    Fetch,
    GivenQuote,
    Go,
    PartnerRelease,
    Progress,
    ResultPart,
    WantQuote,
)

LAYERS: dict[str, str] = {}
"""State of each layer, once it is sealed."""


def main(mode: str, descriptor: int) -> None:
    mode, _, folder = mode.partition(":")
    if folder:
        number = len(list(Path(folder).iterdir()))
        (Path(folder) / f"{number}-{os.getpid()}").touch()
        mode = mode.removeprefix("first-") if number == 0 else "honest"
    # It runs from the source tree, so that it may read more than an enclave in its root; the rest is the real thing.
    everything = tuple(map(str, Path("/").iterdir()))
    box = sandbox.Sandbox(sandbox.NO_NAMESPACES, sandbox.KEEP, channel=descriptor, readable=everything)
    box.begin()
    # What imports at its first use has it before the seal, as in the warm-up of the real one.
    parse_time(stamp(utc_now()))
    rfc8785.dumps({"b": 1, "a": "é"})
    seal(SealingPrivateKey.from_seed(generate()).public, b"", b"")
    with socket.socket(fileno=descriptor) as connection:
        channel = Channel(connection)
        LAYERS.update(box.seal())
        play(mode, channel, connection)


def play(mode: str, channel: Channel, connection: socket.socket) -> None:
    begin = channel.receive()
    assert isinstance(begin, Begin)
    leave(mode, "die-at-begin")
    if mode == "silent":
        time.sleep(600)
    if mode == "garbage":
        os.write(connection.fileno(), secrets.token_bytes(4096))
        time.sleep(600)
    task = read_task(begin)
    signer = Signer(ENCLAVE_KEY_NAME, secrets.token_bytes(32))
    claim = claimed(task, signer)
    if claim.platform != SOFTWARE:
        channel.send(WantQuote(b"\x05" if mode == "short-binding" else binding(claim)))
        quote = channel.receive()
        assert isinstance(quote, GivenQuote)
        claim = replace(claim, quote=b"\x04" * 32 if mode == "other-quote" else digest_of(quote.bundle))
    if mode == "other-measurement":
        claim = replace(claim, measurement=b"\x00" * 32)
    if mode == "other-challenge":
        claim = replace(claim, challenges=dict.fromkeys(claim.challenges, b"\x01" * 32))
    other = Signer(ENCLAVE_KEY_NAME, secrets.token_bytes(32))
    said = statement.sign_text(bodies.text_for(claim), [other if mode == "other-signer" else signer])
    channel.send(Claim(said.raw))
    leave(mode, "die-after-claim")
    if mode == "refuse":
        channel.send(Failed("order", "an order signed by a hub operator under the current convention", "none"))
        return
    releases = dict.fromkeys(task.partners, NO_RELEASE)
    while not isinstance(message := channel.receive(), Go):
        assert isinstance(message, PartnerRelease)
        releases[message.partner] = statement.parse(message.statement).digest.hex()
    evidence = check_go(task, message, said)
    leave(mode, "die-at-go")
    work(mode, channel, task, evidence.digest, releases, signer)


def work(mode: str, channel: Channel, task: Task, evidence: bytes, releases: dict[str, str], signer: Signer) -> None:
    if mode == "fetch-beyond":
        channel.send(Fetch(99, 0, 0))
        time.sleep(600)
    for lot in task.lots:
        parts = channel.fetch(lot.place, 0, len(lot.parts_per_bucket) - 1, lot.parts_per_bucket)
        assert [segment.segment_id(part.content) for part in parts] == list(lot.segment_ids)
        channel.send(Progress("features", lot.place + 1, len(task.lots)))
    leave(mode, "die-at-work")
    results = []
    for grant in task.convention.grants_of(task.purpose.name):
        sealed = [secrets.token_bytes(3000) for _ in range(3)]
        for number, content in enumerate(sealed):
            channel.send(ResultPart(grant.name, number + (mode == "part-skipped"), content))
        root = segment.segment_root([segment.segment_id(content) for content in sealed])
        if mode == "other-root":
            root = b"\x02" * 32
        results.append(RunResult(grant.name, grant.recipient, root, len(sealed), 3 * 4096))
    leave(mode, "die-before-run")
    if mode == "other-releases":
        releases = dict.fromkeys(releases, "0" * 64)
    run = Run(
        convention=task.chain.digest, evidence=evidence, order=task.order_digest, releases=releases, model=b"\x03" * 32,
        model_card={}, metrics={}, results=tuple(results), level="A1" if task.platform == SOFTWARE else "A3", created=stamp(utc_now()),
    )  # fmt: skip
    channel.send(Done(statement.sign_text(bodies.text_for(run), [signer]).raw))
    if mode == "lingers":
        time.sleep(600)


def claimed(task: Task, signer: Signer) -> Evidence:
    return Evidence(
        convention=task.chain.digest,
        order=task.order_digest,
        enclave_key=SealingPrivateKey.from_seed(generate()).public,
        enclave_signing_key=signer.verifier.public,
        challenges=dict(task.challenges),
        measurement=task.measurement,
        policy=sandbox.policy_digest(),
        platform=task.platform,  # type: ignore[arg-type]
        layers=dict(LAYERS),
        host={},
        quote=None,
        created=stamp(utc_now()),
    )


def leave(mode: str, here: str) -> None:
    if mode == here:
        os._exit(9)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
