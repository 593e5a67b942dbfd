"""The life of an enclave: one order, from the first message to the signed run, and no way back to the start.

::

    host                                    enclave
    Begin ────────────────────────────────▶ judge it, draw keys
          ◀──────────────────────────────── WantQuote, where the host has hardware: what the quote must bind
    GivenQuote ───────────────────────────▶ verify it
          ◀──────────────────────────────── Claim (evidence, signed with the key just drawn)
    Joint? Release* ──────────────────────▶ keep
    Go ───────────────────────────────────▶ judge evidence and releases, take the lots' keys
          ◀──────────────────────────────── FetchModel?, Fetch*, Progress*   (ModelPart*, Segment* answer)
          ◀──────────────────────────────── Part* of each result, JointMade?, ModelPart*, Done (the run, signed)

Keys are drawn after everything is warmed up and sealed, live in this process only, and end with it.
"""

import platform
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import cryptography
import duckdb
import lightgbm
import numpy as np
import pyarrow as pa

from vigie import bodies, evidence, sealing, statement
from vigie.attestation import Proved
from vigie.authority import ENCLAVE_KEY_NAME
from vigie.clock import stamp, utc_now
from vigie.convention import PLATFORMS
from vigie.errors import MalformedFrame, Refused
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey
from vigie.statement import Statement
from vigie.wiping import let_go, wipe
from vigie_hub.enclave import sandbox, vault
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.consolidate import consolidate
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.intake import Opened, Task, check_go, open_releases, read_task
from vigie_hub.enclave.messages import (
    Begin,
    Claim,
    Done,
    Failed,
    GivenJoint,
    Go,
    ModelPart,
    PartnerRelease,
    Progress,
    ResultPart,
)
from vigie_hub.enclave.quoting import quoted
from vigie_hub.enclave.results import model_card, seal_result
from vigie_hub.enclave.sandbox import Sandbox
from vigie_hub.enclave.stopping import failed
from vigie_hub.enclave.warmup import warm_up

Clock = Callable[[], datetime]

_SEED_BYTES: Final = 32

_VERSIONS: Final = {
    "python": platform.python_version(),
    "duckdb": duckdb.__version__,
    "lightgbm": lightgbm.__version__,
    "pyarrow": pa.__version__,
    "numpy": np.__version__,
    "cryptography": cryptography.__version__,
}


@dataclass(frozen=True)
class Standing:
    """What this process is and where: found out before the seal, which refuses to ask again.

    Attributes:
        layers: the state of each layer.
        host: what it can see of the host, and the versions of what computes.
    """

    layers: Mapping[str, str]
    host: Mapping[str, str]


def serve(box: Sandbox) -> int:
    """Serve one order over the inherited socket; returns the exit code: 0 for a signed run, 1 for anything else.

    Args:
        box: its early layers are on.
    """
    with socket.socket(fileno=box.channel) as connection:
        # Before the seal: it sets the socket's time limits, which the sealed process may not.
        channel = Channel(connection)
        warm_up()
        host = {**box.host_facts(), **_VERSIONS}
        standing = Standing(box.seal(), host)
        return answer(channel, clock=utc_now, standing=standing)


def answer(channel: Channel, *, clock: Clock, standing: Standing) -> int:
    """Serve one order, and tell the host why when it stops; returns the exit code."""
    try:
        run(channel, clock=clock, standing=standing)
    except Exception as error:  # noqa: BLE001 -- the one place where every fault becomes a word for the host
        word = failed(error)
        let_go(error)  # the frames that it came through hold keys and rows
        return _tell(channel, word)
    return 0


def run(channel: Channel, *, clock: Clock, standing: Standing) -> None:
    """Serve one order.

    Raises:
        Refused: a rule says no.
        MalformedFrame: the host breaks the protocol.
        OSError: the host is gone.
    """
    begin = channel.receive("begin")
    if not isinstance(begin, Begin):
        raise MalformedFrame("another message came than the one that was due")
    task = read_task(begin)
    seed = sealing.generate()
    private = SealingPrivateKey.from_seed(seed)
    wipe(seed)
    signer = Signer(ENCLAVE_KEY_NAME, secrets.token_bytes(_SEED_BYTES))
    bare = evidence_of(task, private, signer, standing, created=stamp(clock()))
    claim, hardware = quoted(channel, bare, task.convention)
    claimed = statement.sign_text(bodies.text_for(claim), [signer])
    channel.send(Claim(claimed.raw))
    answers: list[PartnerRelease] = []
    given: GivenJoint | None = None
    while not isinstance(message := channel.receive("release", "joint", "go"), Go):
        if isinstance(message, PartnerRelease):
            answers.append(message)
        elif isinstance(message, GivenJoint):
            given = message
        else:
            raise MalformedFrame("another message came than the one that was due")
    signed = check_go(task, message, claimed)
    known = vault.read_joint(task, given)
    opened = open_releases(task, answers, signed.digest, private, vault.givers(task, known))
    held = vault.unlock(task, known, answers, opened, signed.digest, private)
    del private  # nothing further is ever sealed to it
    _work(channel, task, opened, held, signed, claim, hardware, signer, clock)


def evidence_of(
    task: Task, private: SealingPrivateKey, signer: Signer, standing: Standing, *, created: str
) -> bodies.Evidence:
    """What this enclave is, with the state of each layer; its quote is still to come.

    Raises:
        Refused: claim ``platform``: the host names one that there is no verifier for.
    """
    if task.platform not in PLATFORMS:
        raise Refused("platform", expected="a platform that there is a verifier for", found="another one")
    return bodies.Evidence(
        convention=task.chain.digest,
        order=task.order_digest,
        enclave_key=private.public,
        enclave_signing_key=signer.verifier.public,
        challenges=dict(task.challenges),
        measurement=task.measurement,
        policy=sandbox.policy_digest(),
        platform=task.platform,  # type: ignore[arg-type]  # one of PLATFORMS, which are the body's own
        layers=dict(standing.layers),
        host=dict(standing.host),
        quote=None,
        created=created,
    )


def _work(
    channel: Channel,
    task: Task,
    opened: Opened,
    held: vault.Vault,
    signed: Statement,
    claim: bodies.Evidence,
    hardware: Proved | None,
    signer: Signer,
    clock: Clock,
) -> None:
    def tell(stage: str, done: int, total: int) -> None:
        channel.send(Progress(stage, done, total))

    model = vault.fetch_model(channel, task, held)
    if model is not None and held.known is not None:
        tell("shares", sum(said == "sound" for said in held.shares.values()), held.known.body.threshold)
    found = consolidate(channel, task, opened, tell, model)
    level = evidence.level(claim, task.convention, hardware)
    grants = task.convention.grants_of(task.purpose.name)
    said = []
    for number, grant in enumerate(grants):
        sealed = seal_result(task, opened, found, grant, signed.digest, claim, hardware)
        for part, content in enumerate(sealed.parts):
            channel.send(ResultPart(grant.name, part, content))
        said.append(sealed.said)
        tell("sealing", number + 1, len(grants))
    card = model_card(task, opened, found)
    # What is said of training months and companies is of this run's rows; the model may be of an earlier run.
    trained_by = held.known.run_digest if held.known is not None else None
    card["trained_by"] = None if trained_by is None else trained_by.hex()
    kept = vault.keep(task, held, found.scores.model_bytes, signed.digest, signer, stamp(clock()))
    if kept.made is not None:
        channel.send(kept.made)
    for part, content in enumerate(kept.parts):
        channel.send(ModelPart(part, content))
    body = bodies.Run(
        convention=task.chain.digest,
        evidence=signed.digest,
        order=task.order_digest,
        releases=dict(opened.releases),
        model=found.scores.model,
        model_card=card,
        metrics=published(found.scores, found.panel, found.catalogue.names, task.convention.disclosure),
        results=tuple(said),
        level=level,  # type: ignore[arg-type]  # evidence.level returns one of the five
        created=stamp(clock()),
        joint=kept.joint,
        sealed=kept.sealed,
        shares=dict(held.shares),
    )
    channel.send(Done(statement.sign_text(bodies.text_for(body), [signer]).raw))


def _tell(channel: Channel, word: Failed) -> int:
    try:
        channel.send(word)
    except (OSError, MalformedFrame):
        return 1  # the host is gone: nobody is left to tell
    return 1
