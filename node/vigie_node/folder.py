"""The node's folder, and a node opened from it: configuration, keys, conventions and state in one hand.

::

    node.toml           what the partner says (vigie_node.config)
    conventions/        the signed conventions, oldest first: 0001.note, 0002.note …
    approvals/          signed approvals to keep and to put into the journal; `vigie approve` writes them
    state.sqlite        what must never be forgotten (vigie_node.state)
    pseudonyms.sqlite   the pseudonym cache; losing it costs time, nothing else
    perimeter.sqlite    the perimeter by which rows are filtered; losing it costs a fetch
    evaluations.sqlite  what was evaluated for whom, and the budgets of others; as long as its epoch lasts
    spool/  results/    sealed lots on their way out; opened results
    reports/  profiles/ what was found in the extracts, without any cell; counts and quartiles of the last lots
    scratch/            extracts while they are read, in clear; a command deletes its own when it ends
    shares/             this custodian's shares of the models' key, sealed; beside the keyring, wherever that is
    perimeters/         sealed perimeters on their way out, at the partner that works them out

The rule: opening verifies. A chain of conventions that does not verify, or that is older than the newest this node
accepted, keeps the node shut.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from vigie import client, statement
from vigie.chain import ConventionChain
from vigie.convention import Convention
from vigie.durable import sync_folder, write_file
from vigie.errors import ConfigError, InputError, Missing
from vigie.keyring import Keyring
from vigie_node.config import NodeConfig, parse_config, write_config
from vigie_node.ledger import ReleaseLedger
from vigie_node.state import NodeState

NEWEST_CONVENTION = "convention"
"""Name under which the state keeps the digest of the newest convention that this node accepted."""

_CONVENTIONS, _APPROVALS, _SPOOL, _RESULTS = "conventions", "approvals", "spool", "results"
_LARGEST_STATEMENT = 65_535


@dataclass(frozen=True)
class NodeFolder:
    """Where things lie in a node's folder, with the configuration that was read from it."""

    root: Path
    config: NodeConfig

    @classmethod
    def create(cls, root: Path, config: NodeConfig, conventions: Sequence[bytes]) -> "NodeFolder":
        """Make a node's folder; the conventions have been verified by the caller.

        Raises:
            ConfigError: there is a node in that folder already.
        """
        if (root / "node.toml").exists():
            raise ConfigError(f"there is a node in {root} already", hint="give another --folder, or use that node")
        for folder in (root, *(root / name for name in (_CONVENTIONS, _APPROVALS, _SPOOL, _RESULTS))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = cls(root, config)
        for place, raw in enumerate(conventions, start=1):
            write_file(made.convention_path(place), raw)
        # Last, because a folder with this file is a node.
        write_file(root / "node.toml", write_config(config).encode())
        sync_folder(root.parent)
        return made

    @classmethod
    def open(cls, root: Path) -> "NodeFolder":
        """Read the configuration of the node in a folder.

        Raises:
            Missing: there is no node in that folder.
            ConfigError: ``node.toml`` is not as it must be.
        """
        path = root / "node.toml"
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError as error:
            raise Missing(f"there is no node in {root}", hint="make one with: vigie-node init") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as text") from error
        return cls(root, parse_config(text, source=str(path)))

    @property
    def keyring(self) -> Path:
        """The member's keyring file."""
        return self.root / self.config.keyring

    @property
    def shares(self) -> Path:
        """This custodian's shares of joint keys, beside its keyring, each sealed to the keyring's own key."""
        return self.keyring.parent / "shares"

    @property
    def state(self) -> Path:
        """The state database."""
        return self.root / "state.sqlite"

    @property
    def pseudonyms(self) -> Path:
        """The pseudonym cache."""
        return self.root / "pseudonyms.sqlite"

    @property
    def perimeter(self) -> Path:
        """The perimeter by which rows are filtered."""
        return self.root / "perimeter.sqlite"

    @property
    def perimeters(self) -> Path:
        """Sealed perimeters on their way out."""
        return self.root / "perimeters"

    @property
    def evaluations(self) -> Path:
        """What this custodian evaluated for others."""
        return self.root / "evaluations.sqlite"

    @property
    def reports(self) -> Path:
        """What was found in the extracts that were sent."""
        return self.root / "reports"

    @property
    def profiles(self) -> Path:
        """What is remembered of the last lots."""
        return self.root / "profiles"

    @property
    def scratch(self) -> Path:
        """Where extracts are put together."""
        return self.root / "scratch"

    @property
    def spool(self) -> Path:
        """Sealed lots on their way out."""
        return self.root / _SPOOL

    @property
    def results(self) -> Path:
        """Opened results."""
        return self.root / _RESULTS

    @property
    def approvals(self) -> Path:
        """Signed approvals of this member."""
        return self.root / _APPROVALS

    def convention_path(self, place: int) -> Path:
        """File of the convention at that place of the chain, from 1."""
        return self.root / _CONVENTIONS / f"{place:04d}.note"

    def conventions(self) -> tuple[bytes, ...]:
        """Return the signed conventions, oldest first.

        Raises:
            Missing: there is none.
        """
        found = tuple(read_statement(path) for path in sorted((self.root / _CONVENTIONS).glob("*.note")))
        if not found:
            raise Missing(f"there is no convention in {self.root / _CONVENTIONS}", hint="put the signed file there")
        return found

    @contextlib.contextmanager
    def attending(self) -> Iterator[None]:
        """Hold the node's one right to attend: two daemons would answer with two minds.

        Raises:
            InputError: another process has it.
        """
        descriptor = os.open(self.root / "attending.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"a process runs the node in {self.root} already",
                    hint="stop it first; `vigie-node status` shows it",
                ) from error
            yield
        finally:
            os.close(descriptor)  # the kernel drops the lock with it, and with a killed process too

    def is_attended(self) -> bool:
        """Whether some process runs this node right now."""
        try:
            with self.attending():
                return False
        except InputError:
            return True


class LockedNode:
    """A node opened without its keys: enough to look at it and to record a person's decision.

    Args:
        folder: where it lives.
        chain: the conventions, verified.
        state: the durable state.
    """

    def __init__(self, folder: NodeFolder, chain: ConventionChain, state: NodeState) -> None:
        self.folder = folder
        self.chain = chain
        self.state = state
        self.ledger = ReleaseLedger(state.connection)
        self.withdrawals = state.withdrawals

    @classmethod
    def look(cls, root: Path) -> "LockedNode":
        """Open the node in a folder without its keys.

        Raises:
            Missing, ConfigError: there is no usable node there.
            MalformedConvention, Untrusted, Refused: the conventions do not verify, or are older than those accepted.
            StateError: the state database is damaged.
        """
        folder = NodeFolder.open(root)
        state = NodeState.open(folder.state)
        try:
            return cls(folder, _accepted(folder, state), state)
        except BaseException:
            state.close()
            raise

    def close(self) -> None:
        """Close the state; the node cannot be used afterwards."""
        self.state.close()

    @property
    def member(self) -> str:
        """This member's name."""
        return self.folder.config.member

    @property
    def config(self) -> NodeConfig:
        """What the partner said in ``node.toml``."""
        return self.folder.config

    @property
    def convention(self) -> Convention:
        """The convention in force for this node: the newest that it accepted."""
        return self.chain.current


class Node(LockedNode):
    """A node with its keys: what sends, attends and opens results.

    Args:
        folder, chain, state: as for `LockedNode`.
        keyring: this member's private keys.
    """

    def __init__(self, folder: NodeFolder, chain: ConventionChain, state: NodeState, keyring: Keyring) -> None:
        super().__init__(folder, chain, state)
        self.keyring = keyring
        # A keyring that was restored from a copy may hold what was withdrawn: nothing here may use it.
        for epoch in self.withdrawals.epochs() & set(keyring.epochs()):
            keyring.forget_epoch(epoch)

    @classmethod
    def open(cls, root: Path, passphrase: str) -> "Node":
        """Open the node in a folder with its keys.

        Raises:
            WrongPassphrase: the keyring does not open.
            ConfigError: the keyring is another member's, or for another convention.
            VigieError: as `LockedNode.look`.
        """
        folder = NodeFolder.open(root)
        keyring = Keyring.load(folder.keyring, passphrase)
        state = NodeState.open(folder.state)
        try:
            chain = _accepted(folder, state)
            check_member(folder.config.member, keyring, chain.current)
        except BaseException:
            state.close()
            raise
        return cls(folder, chain, state, keyring)

    def channel(self) -> grpc.aio.Channel:
        """Open a channel to the hub, trusting only the certificate that the convention names."""
        key, certificate = self.keyring.tls()
        return client.channel_under(self.convention, self.config.hub, key_pem=key, cert_pem=certificate)

    def accept_convention(self, raw: bytes) -> bool:
        """Accept an amendment: verify it, make it durable, then judge by it. Returns whether it is new.

        Raises:
            MalformedConvention, Untrusted, Refused: it does not follow from the newest one.
        """
        if self.chain.by_digest(statement.parse(raw, kind="convention").digest) is not None:
            return False
        extended = self.chain.extend(raw)
        # The file first: a state that names a convention which is not on disk would keep the node shut.
        write_file(self.folder.convention_path(len(extended.raws)), raw)
        self.state.keep(NEWEST_CONVENTION, extended.digest)
        self.chain = extended
        return True


def _accepted(folder: NodeFolder, state: NodeState) -> ConventionChain:
    chain = ConventionChain.accept(folder.conventions(), state.value(NEWEST_CONVENTION))
    if state.value(NEWEST_CONVENTION) != chain.digest:
        state.keep(NEWEST_CONVENTION, chain.digest)
    return chain


def read_statement(path: Path) -> bytes:
    """Read a signed statement from a file.

    Raises:
        Missing: there is no such file.
        ConfigError: it cannot be read, or is larger than any statement.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_STATEMENT + 1)
    except FileNotFoundError as error:
        raise Missing(f"there is no file {path}", hint="check the path; a signed convention ends in .note") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read") from error
    if len(data) > _LARGEST_STATEMENT:
        raise ConfigError(f"{path} is larger than any signed statement")
    return data


def check_member(member: str, keyring: Keyring, convention: Convention) -> None:
    """Make sure that a keyring is the one of ``member`` in the convention.

    Raises:
        ConfigError: another member's, another convention's, or keys that the convention does not name.
        Missing: the convention names no such member.
    """
    if keyring.member != member:
        raise ConfigError(
            f"this is the keyring of {keyring.member}, and the node is {member}'s",
            hint="give the keyring that `vigie member init` made for this member",
        )
    if keyring.convention_id != convention.id:
        raise ConfigError(f"this keyring is for the convention {keyring.convention_id}, not {convention.id}")
    named, held = convention.member(member), keyring.card()
    if any(held.keys.get(use) != key for use, key in named.keys.items()) or held.sealing != named.sealing:
        raise ConfigError(
            f"the keys of {member} in the convention are not those of this keyring",
            hint="was the keyring made again after its card was sent? the convention must be amended, or the old one found",
        )
