"""A complete, real demonstration world in a folder: five keyrings and cards, a signed convention, approvals.

Everything is made by the code that operators run. Only what costs time and proves nothing is spared: the keys are drawn
once per test process and belong to every world of it, and passphrases are stretched with the least that Argon2id allows.

    world = World.create(tmp_path, overrides={"pseudonyms.buckets": 4})
    world.chain, world.keyrings["acoss"], world.sign("acoss", body)
"""

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final
from unittest import mock

from nacl import pwhash

from vigie import bodies, clock, keyring_file, statement
from vigie.bodies import Approval, Body
from vigie.card import Card
from vigie.chain import ConventionChain, required_keys
from vigie.convention import Convention, parse
from vigie.convention.drafting import amend, draft, set_value
from vigie.keyring import Keyring
from vigie.note import Signer
from vigie.statement import Statement

CONVENTION: Final = "signaux-faibles-demo"
ORIGIN: Final = "vigie.demo/exchange-log/2026"
PARTNERS: Final = ("acoss", "banque-de-france", "travail")
AUDITOR: Final = "auditeur"
HUB: Final = "hub"
SIGNATORIES: Final = (*PARTNERS, AUDITOR)
PASSPHRASE: Final = "demo passphrase"
ORGANISATIONS: Final[Mapping[str, str]] = {
    "acoss": "ACOSS",
    "banque-de-france": "Banque de France",
    "travail": "ministère du Travail",
    AUDITOR: "Inspection générale des finances",
    HUB: "Banque de France",
}
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(PARTNERS, ("partner", "custodian", "witness")),
    AUDITOR: ("auditor", "witness"),
    HUB: ("hub",),
}
PURPOSE: Final = "early-warning"

# The smallest that libsodium's Argon2id takes: these files protect nothing.
CHEAP: Final = (pwhash.argon2id.OPSLIMIT_MIN, pwhash.argon2id.MEMLIMIT_MIN)
# Keys are drawn once per process; certificates are valid on any day that a test pretends it is.
_MADE: Final = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def demo_keyrings() -> Mapping[str, Keyring]:
    """The five keyrings of this process. Never change one: :meth:`World.create` hands out copies."""
    return {
        name: Keyring.create(name, ORGANISATIONS[name], ROLES[name], CONVENTION, now=_certificate_time())
        for name in ROLES
    }


def _certificate_time() -> datetime:
    return max(_MADE, clock.utc_now())  # TLS looks at the machine's own clock


def demo_terms() -> dict[str, Any]:
    """The terms of the demonstration, as TOML data of one's own to change."""
    return tomllib.loads((resources.files("vigie") / "demo" / "terms.toml").read_text(encoding="utf-8"))


def sign_convention(text: str | bytes, signers: Sequence[Signer]) -> bytes:
    """Sign the TOML of a convention and return the signed note."""
    payload = text.encode() if isinstance(text, str) else text
    return statement.sign_text(statement.convention_text(payload), signers).raw


@dataclass
class World:
    """A demonstration world.

    Attributes:
        folder: holds ``<member>/keyring.vigie``, ``<member>/card.toml`` and ``convention.note`` (amended: ``-2`` …).
        now: the time at which its statements are made; aware, UTC.
        keyrings: by member.
        cards: by member.
        raws: the signed conventions, oldest first.
        chain: the same, verified.
        passphrase: opens every keyring.
    """

    folder: Path
    now: datetime
    keyrings: dict[str, Keyring]
    cards: dict[str, Card]
    raws: list[bytes]
    chain: ConventionChain
    passphrase: str = PASSPHRASE
    approvals: list[Statement] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        custodians: Sequence[str] = PARTNERS,
        overrides: Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> "World":
        """Make a world.

        Args:
            folder: where; made when it is not there.
            custodians: custodians of the epoch, in order; at least two organisations.
            overrides: dotted path into the terms → value (``{"enclave.approvals": 3}``), see
                :func:`vigie.convention.drafting.set_value`. A whole section may be replaced by its name.
            now: the present of this world; by default the real one.
        """
        rings = {name: copy.deepcopy(ring) for name, ring in demo_keyrings().items()}
        cards = {name: ring.card() for name, ring in rings.items()}
        for name, ring in rings.items():
            save_cheaply(ring, folder / name / "keyring.vigie", PASSPHRASE)
            (folder / name / "card.toml").write_text(cards[name].text(), encoding="utf-8")
        terms = demo_terms()
        terms["pseudonyms"]["epoch"][0]["custodians"] = list(custodians)
        terms["custody"]["threshold"] = min(2, len({ORGANISATIONS[name] for name in custodians}))
        for path, value in (overrides or {}).items():
            set_value(terms, path, value)
        text = draft(list(cards.values()), terms)
        raw = sign_convention(text, [rings[name].signer() for name in parse(text.encode()).signatories])
        moment = now or clock.utc_now()
        world = cls(folder, moment, rings, cards, [raw], ConventionChain.open([raw]))
        world.convention_path.write_bytes(raw)
        return world

    @property
    def convention(self) -> Convention:
        """The current convention."""
        return self.chain.current

    @property
    def convention_raw(self) -> bytes:
        """The current convention's signed note."""
        return self.raws[-1]

    @property
    def convention_path(self) -> Path:
        """File of the current convention."""
        return self.convention_paths[-1]

    @property
    def convention_paths(self) -> list[Path]:
        """Files of all conventions, oldest first."""
        names = ["convention.note", *(f"convention-{number}.note" for number in range(2, len(self.raws) + 1))]
        return [self.folder / name for name in names]

    def keyring_path(self, member: str) -> Path:
        """File of a member's keyring."""
        return self.folder / member / "keyring.vigie"

    def card_path(self, member: str) -> Path:
        """File of a member's card."""
        return self.folder / member / "card.toml"

    def signer(self, key: str) -> Signer:
        """The signer of a key name: ``acoss/signing``, ``hub/host``, ``hub/operator``; a bare member signs."""
        member, _, use = key.partition("/")
        return self.keyrings[member].signer(use or "signing")

    def sign(self, key: str, body: Body) -> Statement:
        """Make a statement of a body, signed by a key (see :meth:`signer`)."""
        return statement.sign_text(bodies.text_for(body), [self.signer(key)])

    def approve(self, measurement: bytes, members: Sequence[str] = PARTNERS) -> list[Statement]:
        """Have members approve an enclave's measurement under the current convention."""
        made = [
            self.sign(name, Approval(self.chain.digest, measurement, name, clock.stamp(self.now))) for name in members
        ]
        self.approvals += made
        return made

    def amend(self, changes: Mapping[str, Any] | None = None, **more: Any) -> Convention:
        """Amend the convention, signed by all who must, and make it the current one.

        Args:
            changes: dotted path → value.
            more: the same with ``__`` for the dot: ``amend(enclave__approvals=3)``.
        """
        wanted = {**(changes or {}), **{path.replace("__", "."): value for path, value in more.items()}}
        text = amend(self.convention, wanted)
        required = required_keys(parse(text.encode()), self.convention)
        raw = sign_convention(text, [self.signer(key.name) for key in required])
        self.chain = self.chain.extend(raw)
        self.raws.append(raw)
        self.convention_path.write_bytes(raw)
        return self.convention


def save_cheaply(ring: Keyring, path: Path, passphrase: str) -> None:
    """Save a keyring with the cheapest stretching that there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(keyring_file.COSTS, {"interactive": CHEAP}):
        ring.save(path, passphrase, cost="interactive")
