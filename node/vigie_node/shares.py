"""This custodian's shares of the joint keys: taken from the journal and the hub, kept sealed, given to an enclave.

A share lies in the folder ``shares`` beside the keyring, sealed to the keyring's own key, so that a copy of the folder
gives nothing away. The rules kept here: a ``joint`` statement counts only when the journal that this node read has it, its
enclave signed it, and it follows the one before it; a share counts only when it is the one that the statement names;
and when shares were made anew, those of before are given to nobody and are deleted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from vigie import joint as joints
from vigie import statement as statements
from vigie import words as paper
from vigie.authority import judge
from vigie.bodies import Joint, JointShare, Order, read
from vigie.durable import sync_folder, transaction, write_file
from vigie.errors import BadProof, Malformed, Missing, Refused, Untrusted, VigieError
from vigie_node.folder import LockedNode, Node
from vigie_node.order_checks import TRAIN

_log = structlog.get_logger("vigie.node.shares")


class HandsOutShares(Protocol):
    """The hub's side (`vigie_node.wire_custody`)."""

    async def share(self, joint: bytes) -> tuple[bytes, bytes]:
        """Return (evidence, this member's sealed share) of a statement."""

    async def confirm(self, joint: bytes) -> None:
        """Tell the hub that the share is kept."""


@dataclass(frozen=True)
class KnownShare:
    """A ``joint`` statement of the journal that names this member, and where its share lies.

    Attributes:
        digest: of the statement.
        body: what it says.
        said: what it says of this member's share.
        newest: no other statement came after it for the same key.
        confirmed: the hub was told that the share is kept.
        path: the file of the sealed share, there or not.
    """

    digest: bytes
    body: Joint
    said: JointShare
    newest: bool
    confirmed: bool
    path: Path

    @property
    def kept(self) -> bool:
        """Whether the share is here."""
        return self.path.exists()


def take_evidence(node: LockedNode, raw: bytes) -> None:
    """Remember evidence that stands in the journal: a ``joint`` statement is signed by the key in it."""
    digest = statements.parse(raw, kind="evidence").digest
    with transaction(node.state.connection) as connection:
        connection.execute("INSERT INTO seen_evidence VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, raw))


def take(node: LockedNode, raw: bytes) -> bool:
    """Remember a ``joint`` statement that stands in the journal; returns whether it counts and is new.

    One that does not hold is logged and passed over: the hub must not be able to void shares with it.
    """
    connection = node.state.connection
    try:
        parsed = statements.parse(raw, kind="joint")
        body = read(parsed, Joint)
        row = connection.execute("SELECT statement FROM seen_evidence WHERE digest = ?", (body.evidence,)).fetchone()
        evidence = None if row is None else statements.parse(row[0], kind="evidence")
        judge(raw, node.chain, kind="joint", evidence=evidence)
        known = _digests(node, body.key)
        if parsed.digest in known:
            return False
        if body.previous != (known[-1] if known else None):
            raise Refused("previous", expected="the newest statement about this key", found="another")
        if known and (body.public, body.epoch) != _key(node, known[-1]):
            raise Refused("previous", expected="the key of the statement before it", found="another")
    except VigieError as error:
        _log.error("a joint key in the journal was not accepted", reason=str(error), hint=error.hint)
        return False
    with transaction(connection):
        connection.execute(
            "INSERT INTO joint_keys (digest, key_id, statement) VALUES (?, ?, ?)", (parsed.digest, body.key, raw)
        )
    return True


def known_shares(node: LockedNode) -> tuple[KnownShare, ...]:
    """Every share that a statement of the journal names for this member, oldest first."""
    rows = node.state.connection.execute(
        "SELECT digest, statement, confirmed FROM joint_keys ORDER BY place"
    ).fetchall()
    bodies = [(digest, read(statements.parse(raw, kind="joint"), Joint), done) for digest, raw, done in rows]
    newest = {body.key: digest for digest, body, _ in bodies}
    found = []
    for digest, body, done in bodies:
        said = joints.share_of(body, node.member)
        if said is not None:
            path = node.folder.shares / f"{digest.hex()}.share"
            found.append(KnownShare(digest, body, said, newest[body.key] == digest, bool(done), path))
    return tuple(found)


async def fetch(node: Node, hub: HandsOutShares) -> int:
    """Fetch, check and keep every share that is not here yet, and delete those that others replaced.

    Returns:
        How many were fetched.

    Raises:
        Unavailable, Missing: the hub does not give a share.
        BadProof, BadSeal, Malformed: what it gives is not the share of the statement; nothing is kept.
    """
    fetched = 0
    for known in known_shares(node):
        if not known.newest or known.confirmed:
            continue
        if not known.kept:
            _, blob = await hub.share(known.digest)
            if hashlib.sha256(blob).digest() != known.said.blob:
                raise BadProof("the hub gives another sealed share than the statement names")
            joints.open_share(node.keyring.sealing(), known.body.key, known.said, blob)
            _write(known.path, blob)
            fetched += 1
            _log.info("keeps a share of the models' key", key=known.body.key.hex(), joint=known.digest.hex())
        await hub.confirm(known.digest)
        with transaction(node.state.connection) as connection:
            connection.execute("UPDATE joint_keys SET confirmed = 1 WHERE digest = ?", (known.digest,))
    _forget_replaced(node)
    return fetched


def for_release(node: Node, order: Order, wanted: bytes) -> str | None:
    """The share to give for an order; None when it wants none, or this member has none.

    Args:
        node: the opened node.
        order: judged.
        wanted: digest of the ``joint`` statement that the hub asks for.

    Raises:
        Refused: claim ``share``: the statement is not in the journal, or was replaced: its shares are worth nothing.
    """
    if order.model == TRAIN:
        return None
    row = node.state.connection.execute("SELECT key_id FROM joint_keys WHERE digest = ?", (wanted,)).fetchone()
    if row is None:
        raise Refused("share", expected="a joint key that stands in the journal", found=wanted.hex()[:64] or "none")
    newest = _digests(node, row[0])[-1]
    if newest != wanted:
        raise Refused(
            "share", expected=f"the newest shares of the key, {newest.hex()}", found=f"those of {wanted.hex()}"
        )
    known = next((one for one in known_shares(node) if one.digest == wanted), None)
    if known is None:
        return None
    try:
        return opened(node, known)
    except (Missing, Malformed, Untrusted) as error:
        _log.error("the share of the models' key cannot be given", reason=str(error), hint=error.hint)
        return None


def opened(node: Node, known: KnownShare) -> str:
    """The words of a share that is kept here.

    Raises:
        Missing: its file is not here.
        BadSeal, BadProof, Malformed: the file is not the share that the statement names.
    """
    try:
        blob = known.path.read_bytes()
    except FileNotFoundError as error:
        raise Missing(
            f"the share of the joint key {known.body.key.hex()} is not in {known.path.parent}",
            hint="`vigie-node run` fetches it; or restore it from paper: vigie-node share restore",
        ) from error
    return joints.open_share(node.keyring.sealing(), known.body.key, known.said, blob)


def sheet(node: Node, known: KnownShare) -> paper.Sheet:
    """A share as it is written on paper.

    Raises:
        As `opened`.
    """
    count = max(share.index for share in known.body.shares)
    words = tuple(opened(node, known).split(" "))
    return paper.Sheet(f"joint key {known.body.key.hex()[:8]}", known.said.index, count, known.body.threshold, words)


def restore(node: Node, typed: Sequence[Sequence[str]]) -> list[KnownShare]:
    """Keep shares again that were typed in from paper, each held against the statements of the journal.

    Raises:
        Malformed: a share that was mistyped; the message says which, and quotes no word.
        Missing: nothing was typed, or no statement of the journal names this member.
        Refused: claim ``share``: a share of another custodian, key or time, or one that was replaced.
    """
    if not typed:
        raise Missing("there are no words", hint="give the words of the share")
    known = known_shares(node)
    if not known:
        raise Missing(
            f"the journal that this node has read names no share of {node.member}",
            hint="run the node once, so that it reads the journal: vigie-node run",
        )
    found = []
    for place, words in enumerate(typed, start=1):
        share = paper.parse_share(words, place).mnemonic()
        found.append((_named(known, share, place), share))
    public = node.keyring.sealing().public
    for one, share in found:
        _write(one.path, joints.seal_share(public, one.body.key, one.said.custodian, one.said.index, share))
    return [one for one, _ in found]


def _named(known: Sequence[KnownShare], share: str, place: int) -> KnownShare:
    for one in known:
        for said in one.body.shares:
            if joints.share_digest(said.salt, share) != said.digest:
                continue
            if said.index != one.said.index:
                raise Refused(
                    "share", expected=f"the share of {one.said.custodian}", found=f"that of {said.custodian}",
                    hint="is this the right envelope?",
                )  # fmt: skip
            if not one.newest:
                raise Refused(
                    "share", expected="a share that counts", found="one that newer shares have replaced",
                    hint="destroy this sheet; `vigie-node share words` shows the share that counts",
                )  # fmt: skip
            return one
    raise Refused(
        "share", expected="a share that the journal names", found=f"another one: share {place}",
        hint="the words may be of a seed (`vigie member restore`), or of another convention",
    )  # fmt: skip


def _forget_replaced(node: LockedNode) -> None:
    """Delete shares that others replaced, once this member keeps the new one, or has none any more."""
    known = known_shares(node)
    here = {one.body.key for one in known if one.newest and one.kept}
    named = {one.body.key for one in known if one.newest}
    for one in known:
        if not one.newest and one.kept and (one.body.key in here or one.body.key not in named):
            one.path.unlink()
            sync_folder(one.path.parent)
            _log.info("deleted a share that was replaced", key=one.body.key.hex(), joint=one.digest.hex())


def _key(node: LockedNode, digest: bytes) -> tuple[bytes, int]:
    row = node.state.connection.execute("SELECT statement FROM joint_keys WHERE digest = ?", (digest,)).fetchone()
    body = read(statements.parse(row[0], kind="joint"), Joint)
    return body.public, body.epoch


def _digests(node: LockedNode, key: bytes) -> list[bytes]:
    rows = node.state.connection.execute("SELECT digest FROM joint_keys WHERE key_id = ? ORDER BY place", (key,))
    return [digest for (digest,) in rows]


def _write(path: Path, blob: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(path.parent.parent)
    write_file(path, blob)
