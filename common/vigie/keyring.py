"""A member's private keys at rest: one file, opened with one passphrase (protocol section 2).

The file (:mod:`vigie.keyring_file`) holds the RFC 8785 JSON of the keys. The rule kept here: one key per use, and none of
them is ever part of a message, a log line or the text form of an object.
"""

import fcntl
import json
import os
import re
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import rfc8785

from vigie import keyring_file, sealing
from vigie.card import USES, Card, check_names
from vigie.certificate import issue_certificate
from vigie.errors import Malformed, Missing, StateError
from vigie.keyring_file import COSTS, Cost
from vigie.note import Cosigner, Signer, VerifierKey
from vigie.pseudonym import Custodian
from vigie.sealing import SealingPrivateKey
from vigie.wiping import wipe

Random = Callable[[int], bytes]

# Lengths of the keys of each use; `epoch/<e>` has one entry per epoch.
_SEEDS: Final[Mapping[str, int]] = {
    "signing": 32, "witness": 32, "log": 32, "host": 32, "operator": 32,
    "oprf": 32, "sealing": sealing.SEED_BYTES,
}  # fmt: skip
_EPOCH: Final = re.compile(r"epoch/([1-9][0-9]{0,8})")
_USES_OF_ROLE: Final[Mapping[str, tuple[str, ...]]] = {
    "partner": ("signing", "witness", "sealing", "oprf"),
    "custodian": ("signing", "sealing", "oprf"),
    "witness": ("signing", "witness"),
    "auditor": ("signing", "witness"),
    "hub": ("log", "host", "operator"),
}


class Keyring:
    """The private keys of one member.

    Attributes:
        member: its name.
        organisation: the legal person that it belongs to.
        roles: what it was made for.
        convention_id: id of the convention that the keys are for; never changes.
        created: when the keyring was made, as text.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.member: str = fields["member"]
        self.organisation: str = fields["organisation"]
        self.roles: tuple[str, ...] = tuple(fields["roles"])
        self.convention_id: str = fields["convention"]
        self.created: str = fields["created"]
        self._seeds: dict[str, bytes] = {use: bytes.fromhex(seed) for use, seed in fields["seeds"].items()}
        self._announced: set[int] = set(fields["epochs"])
        self._tls: tuple[str, str] = (fields["tls"]["key"], fields["tls"]["certificate"])
        # A keyring that was made before words were asked about has no record of them.
        self._words: dict[str, str] = dict(fields.get("words", {}))
        self._stretching: tuple[int, int] = COSTS["moderate"]

    def __repr__(self) -> str:
        return f"<Keyring of {self.member} for {self.convention_id}: {', '.join([*sorted(self._seeds), 'tls'])}>"

    @classmethod
    def create(
        cls,
        member: str,
        organisation: str,
        roles: Sequence[str],
        convention_id: str,
        epoch: int = 1,
        *,
        now: datetime,
        random: Random = secrets.token_bytes,
    ) -> "Keyring":
        """Draw the keys that the roles need: a partner's sign, witness, unseal, evaluate and make lots.

        Args:
            member: its name, ``[a-z][a-z0-9-]*``.
            organisation: the legal person that it belongs to.
            roles: some of ``partner``, ``custodian``, ``witness``, ``auditor``, ``hub``.
            convention_id: id of the convention.
            epoch: the first epoch of a partner's lots and of a custodian's pseudonym key.
            now: aware UTC time; the certificate counts from it.
            random: source of key bytes.

        Raises:
            Malformed: a name or role that is not valid.
        """
        check_names(member, organisation, roles)
        uses = {use for role in roles for use in _USES_OF_ROLE[role]}
        seeds = {use: random(_SEEDS[use]) for use in sorted(uses)}
        if "partner" in roles:
            seeds[f"epoch/{epoch}"] = random(32)
        key, certificate = issue_certificate(member, now)
        fields = {
            "member": member,
            "organisation": organisation,
            "roles": list(roles),
            "convention": convention_id,
            "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "epochs": [epoch],
            "seeds": {use: seed.hex() for use, seed in seeds.items()},
            "tls": {"key": key.decode(), "certificate": certificate.decode()},
        }
        keyring = cls(fields)
        keyring.card()  # refuses what could not be published, before anything is written
        return keyring

    def save(self, path: Path, passphrase: str, *, cost: Cost | None = None) -> None:
        """Write the file, whole or not at all, readable by its owner only.

        Args:
            path: where; replaced when it is there.
            passphrase: what opens it.
            cost: ``moderate`` (256 MiB, about a second) for real keys, ``interactive`` (64 MiB) for demonstrations; by
                default what the file was that it was loaded from, and ``moderate`` for a new one.
        """
        plain = rfc8785.dumps(self._fields())
        keyring_file.write(path, plain, passphrase, COSTS[cost] if cost else self._stretching)
        wipe(plain)

    @classmethod
    def load(cls, path: Path, passphrase: str) -> "Keyring":
        """Open a keyring file.

        Raises:
            Missing: there is no such file.
            Malformed: not a keyring file.
            WrongPassphrase: it does not open with this passphrase, or its content was altered.
        """
        opened, stretching = keyring_file.read(path, passphrase)
        try:
            keyring = cls(_check_fields(opened))
        finally:
            wipe(opened)
        keyring._stretching = stretching
        return keyring

    @classmethod
    @contextmanager
    def changing(cls, path: Path, passphrase: str) -> Iterator["Keyring"]:
        """Open a keyring file to change it: what the block did is saved after it, and nothing when it raises.

        Nobody else changes the file meanwhile this way: a seed that was forgotten must not come back by an older copy.

        Raises:
            Missing, Malformed, WrongPassphrase: as :meth:`load`.
        """
        try:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Missing(f"there is no keyring at {path}", hint="make one with: vigie member init") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            keyring = cls.load(path, passphrase)
            yield keyring
            keyring.save(path, passphrase)
        finally:
            os.close(folder)

    def seeds(self) -> tuple[tuple[str, bytes], ...]:
        """Use and seed of everything that has one, in the order in which words are written down: most needed first."""
        order = ("oprf", "signing", "witness", "sealing", "log", "host", "operator")
        uses = [use for use in order if use in self._seeds] + [f"epoch/{epoch}" for epoch in self.epochs()]
        return tuple((use, self._seeds[use]) for use in uses)

    def unwritten(self) -> tuple[str, ...]:
        """Uses whose seeds nobody has said to be written down as words, in the order of :meth:`seeds`."""
        return tuple(use for use, _ in self.seeds() if use not in self._words)

    def words_on_paper(self, epoch: int) -> str | None:
        """The day, ``YYYY-MM-DD``, on which the words of an epoch's seed were recorded as kept; None when never."""
        return self._words.get(f"epoch/{epoch}")

    def record_words(self, uses: Sequence[str], now: datetime) -> None:
        """Record that the words of these seeds are kept on paper. :meth:`save` makes it last.

        Raises:
            Missing: there is no seed for a use.
        """
        for use in uses:
            self._seed(use)
            self._words[use] = now.strftime("%Y-%m-%d")

    def signer(self, use: str = "signing") -> Signer:
        """The signer ``<member>/<use>`` for ``signing``, ``host`` or ``operator``.

        Raises:
            Missing: this member has no key for that use.
        """
        if use not in USES or use == "witness":
            raise Missing(f"{use!r} is not a use that signs statements")
        return Signer(f"{self.member}/{use}", self._seed(use))

    def log_signer(self, origin: str) -> Signer:
        """The signer of checkpoints; a log's key is named after its origin.

        Raises:
            Missing: this member is not a hub.
        """
        return Signer(origin, self._seed("log"))

    def cosigner(self) -> Cosigner:
        """The cosigner ``<member>/witness``.

        Raises:
            Missing: this member is not a witness.
        """
        return Cosigner(f"{self.member}/witness", self._seed("witness"))

    def sealing(self) -> SealingPrivateKey:
        """The key that opens results sealed to this member.

        Raises:
            Missing: this member receives no results.
        """
        return SealingPrivateKey.from_seed(self._seed("sealing"))

    def oprf_seed(self) -> bytes:
        """The 32-byte seed of this custodian's pseudonym keys.

        Raises:
            Missing: this member is not a custodian.
        """
        return self._seed("oprf")

    def custodian(self, epoch: int) -> Custodian:
        """This custodian's pseudonym key of an epoch.

        Raises:
            Missing: this member is not a custodian.
        """
        return Custodian.from_seed(self.oprf_seed(), self.convention_id, epoch)

    def epoch_seed(self, epoch: int) -> bytes:
        """The 32-byte seed from which the keys of this partner's lots of an epoch follow.

        Raises:
            Missing: never made, or forgotten to withdraw those lots.
        """
        return self._seed(f"epoch/{epoch}")

    def epochs(self) -> tuple[int, ...]:
        """Numbers of the epochs whose seeds are here, ascending."""
        return tuple(sorted(int(match[1]) for use in self._seeds if (match := _EPOCH.fullmatch(use))))

    def add_epoch(self, epoch: int, *, random: Random = secrets.token_bytes) -> None:
        """Make the keys of a further epoch; nothing happens when they are there. :meth:`save` makes it last."""
        if epoch < 1:
            raise ValueError("epochs count from 1")
        self._announced.add(epoch)
        if "partner" in self.roles:
            self._seeds.setdefault(f"epoch/{epoch}", random(32))

    def forget_epoch(self, epoch: int) -> None:
        """Delete an epoch's seed: all its lots are withdrawn for good, wherever copies are. :meth:`save` makes it last.

        Words on paper are a copy of the seed: until they are destroyed too, nothing is withdrawn for good.

        Raises:
            Missing: there is none.
        """
        self._seed(f"epoch/{epoch}")
        del self._seeds[f"epoch/{epoch}"]
        self._words.pop(f"epoch/{epoch}", None)

    def rotate_tls(self, now: datetime) -> None:
        """Replace the TLS key and certificate; the convention must then be told the new one."""
        key, certificate = issue_certificate(self.member, now)
        self._tls = (key.decode(), certificate.decode())

    def tls(self) -> tuple[bytes, bytes]:
        """Private key and certificate, both PEM."""
        return self._tls[0].encode(), self._tls[1].encode()

    def card(self) -> Card:
        """The public half."""
        keys: dict[str, VerifierKey]
        keys = {use: self.signer(use).verifier for use in ("signing", "host", "operator") if use in self._seeds}
        if "witness" in self._seeds:
            keys["witness"] = self.cosigner().verifier
        oprf: dict[int, bytes] = {}
        if "oprf" in self._seeds:
            oprf = {epoch: self.custodian(epoch).public for epoch in sorted(self._announced)}
        return Card(
            name=self.member,
            organisation=self.organisation,
            convention=self.convention_id,
            roles=self.roles,
            certificate=ssl.PEM_cert_to_DER_cert(self._tls[1]),
            keys=keys,
            sealing=self.sealing().public if "sealing" in self._seeds else None,
            log=self.log_signer("log").verifier.public if "log" in self._seeds else None,
            oprf=oprf,
        )

    def _seed(self, use: str) -> bytes:
        if use not in self._seeds:
            raise Missing(f"the keyring of {self.member} has no key for {use}")
        return self._seeds[use]

    def _fields(self) -> dict[str, Any]:
        return {
            "member": self.member,
            "organisation": self.organisation,
            "roles": list(self.roles),
            "convention": self.convention_id,
            "created": self.created,
            "epochs": sorted(self._announced),
            "seeds": {use: seed.hex() for use, seed in self._seeds.items()},
            "tls": {"key": self._tls[0], "certificate": self._tls[1]},
            "words": dict(self._words),
        }


def _check_fields(opened: bytes) -> Mapping[str, Any]:
    try:
        fields: Mapping[str, Any] = json.loads(opened)
        if not all(type(epoch) is int and epoch >= 1 for epoch in fields["epochs"]):
            raise ValueError("not epochs")
        for use, seed in fields["seeds"].items():
            if len(bytes.fromhex(seed)) != (32 if _EPOCH.fullmatch(use) else _SEEDS[use]):
                raise ValueError("wrong length")
        if not all(isinstance(day, str) for day in fields.get("words", {}).values()):
            raise ValueError("not a record of words")
        check_names(fields["member"], fields["organisation"], fields["roles"])
    except (ValueError, TypeError, LookupError, AttributeError, Malformed) as error:
        # The passphrase opened it, so this program or a newer one wrote it.
        raise StateError("the keyring opens but holds what this version does not know") from error
    return fields
