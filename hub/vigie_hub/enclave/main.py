"""The life of an enclave: one order, from the first message to the signed run, and no way back to the start.

::

    host                                    enclave
    Begin ────────────────────────────────▶ judge it, draw keys
          ◀──────────────────────────────── Claim (evidence, signed with the key just drawn)
    Release* ─────────────────────────────▶ keep
    Go ───────────────────────────────────▶ judge evidence and releases, take the lots' keys
          ◀──────────────────────────────── Fetch*, Progress*   (Segment* answer each Fetch)
          ◀──────────────────────────────── Part* of each result, Done (the run, signed)

Keys are drawn after everything is warmed up and sealed, live in this process only, and end with it.
"""

import platform
import secrets
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
from vigie.authority import ENCLAVE_KEY_NAME
from vigie.clock import stamp, utc_now
from vigie.errors import MalformedFrame
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey
from vigie.statement import Statement
from vigie_hub.enclave import sandbox
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.consolidate import consolidate
from vigie_hub.enclave.door import Door
from vigie_hub.enclave.intake import Opened, Task, check_go, open_releases, read_task
from vigie_hub.enclave.messages import Begin, Claim, Done, Go, PartnerRelease, Progress, ResultPart
from vigie_hub.enclave.results import metrics, model_card, seal_result
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
    warm_up()
    host = {**box.host_facts(), **_VERSIONS}
    standing = Standing(box.seal(), host)
    with Door(box.channel) as door:
        channel = Channel(door)
        try:
            run(channel, clock=utc_now, standing=standing)
        except Exception as error:  # noqa: BLE001 -- the one place where every fault becomes a word for the host
            return _tell(channel, error)
    return 0


def run(channel: Channel, *, clock: Clock, standing: Standing) -> None:
    """Serve one order.

    Raises:
        Refused: a rule says no.
        MalformedFrame: the host breaks the protocol.
        OSError: the host is gone.
    """
    begin = channel.receive()
    if not isinstance(begin, Begin):
        raise MalformedFrame("the first message is not Begin")
    task = read_task(begin)
    private = SealingPrivateKey.from_seed(sealing.generate())
    signer = Signer(ENCLAVE_KEY_NAME, secrets.token_bytes(_SEED_BYTES))
    claim = evidence_of(task, private, signer, standing, created=stamp(clock()))
    claimed = statement.sign_text(bodies.text_for(claim), [signer])
    channel.send(Claim(claimed.raw))
    answers: list[PartnerRelease] = []
    while not isinstance(message := channel.receive(), Go):
        if not isinstance(message, PartnerRelease):
            raise MalformedFrame("a release or Go was due")
        answers.append(message)
    signed = check_go(task, message, claimed)
    opened = open_releases(task, answers, signed.digest, private)
    _work(channel, task, opened, signed, claim, signer, clock)


def evidence_of(
    task: Task, private: SealingPrivateKey, signer: Signer, standing: Standing, *, created: str
) -> bodies.Evidence:
    """What this enclave is, with the state of each layer."""
    return bodies.Evidence(
        convention=task.chain.digest,
        order=task.order_digest,
        enclave_key=private.public,
        enclave_signing_key=signer.verifier.public,
        challenges=dict(task.challenges),
        measurement=task.measurement,
        policy=sandbox.policy_digest(),
        platform="software",
        layers=dict(standing.layers),
        host=dict(standing.host),
        quote=None,
        created=created,
    )


def _work(
    channel: Channel,
    task: Task,
    opened: Opened,
    signed: Statement,
    claim: bodies.Evidence,
    signer: Signer,
    clock: Clock,
) -> None:
    def tell(stage: str, done: int, total: int) -> None:
        channel.send(Progress(stage, done, total))

    found = consolidate(channel, task, opened, tell)
    level = evidence.level(claim, task.convention)
    grants = task.convention.grants_of(task.purpose.name)
    said = []
    for number, grant in enumerate(grants):
        sealed = seal_result(task, opened, found, grant, signed.digest, claim)
        for part, content in enumerate(sealed.parts):
            channel.send(ResultPart(grant.name, part, content))
        said.append(sealed.said)
        tell("sealing", number + 1, len(grants))
    card = model_card(task, opened, found)
    body = bodies.Run(
        convention=task.chain.digest,
        evidence=signed.digest,
        order=task.order_digest,
        releases=dict(opened.releases),
        model=found.scores.model,
        model_card=card,
        metrics=metrics(card),
        results=tuple(said),
        level=level,  # type: ignore[arg-type]  # evidence.level returns one of the five
        created=stamp(clock()),
    )
    channel.send(Done(statement.sign_text(bodies.text_for(body), [signer]).raw))


def _tell(channel: Channel, error: Exception) -> int:
    try:
        channel.send(failed(error))
    except (OSError, MalformedFrame):
        return 1  # the host is gone: nobody is left to tell
    return 1
