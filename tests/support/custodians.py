"""Three custodians that answer each other in one process: the real desks, caches and workers, without a hub between."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    Custodian,
    CustodyRule,
    Disclosure,
    EnclaveRule,
    Epoch,
    Member,
    Retention,
    WitnessRule,
)
from vigie.durable import open_database
from vigie.keyring import Keyring
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.evaluator import SCHEMA, EvaluationDesk
from vigie_node.pseudonyms.workers import Workers

NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
PARTNERS = ("acoss", "banque-de-france", "travail")


def keyrings() -> dict[str, Keyring]:
    """Fresh keyrings of three partners, the auditor and the hub."""
    roles = {name: ["partner", "custodian", "witness"] for name in PARTNERS} | {"auditeur": ["auditor"], "hub": ["hub"]}
    return {name: Keyring.create(name, name.title(), role, "demo", now=NOW) for name, role in roles.items()}


def agreement(
    rings: Mapping[str, Keyring],
    *,
    custodians: tuple[str, ...] = PARTNERS,
    population: int = 400,
    digest: bytes = b"\xc0" * 32,
) -> Convention:
    """A convention over these keyrings: the real dataclass, of which only the members and the epochs matter here."""
    members = {}
    for name, ring in rings.items():
        card = ring.card()
        members[name] = Member(
            name=name, organisation=card.organisation, roles=frozenset(card.roles), population=population,
            certificate=card.certificate, keys=card.keys, log=card.log, sealing=card.sealing,
        )  # fmt: skip
    listed = tuple(Custodian(name, rings[name].custodian(1).public) for name in custodians)
    return Convention(
        text=b"", digest=digest, id="demo", title="Demo", version=1, previous=None, start=date(2026, 1, 1),
        end=date(2028, 12, 31), hub="hub", origin="vigie.demo/exchange-log/2026", signatories=PARTNERS,
        members=members, datasets={}, purposes={}, grants={}, declassifications=frozenset(), buckets=64,
        epochs=(Epoch(1, date(2026, 1, 1), date(2027, 12, 31), listed),
                Epoch(2, date(2028, 1, 1), date(2028, 12, 31), listed)),
        custody=CustodyRule(2), enclave=EnclaveRule(2, ("software",), "A1", ()), witness=WitnessRule(1),
        retention=Retention(60, 24), disclosure=Disclosure(3, 0.85, 5),
    )  # fmt: skip


class Site:
    """One partner's node, as far as pseudonyms go; ``workers`` when another site of this member already has some."""

    def __init__(
        self,
        folder: Path,
        name: str,
        rings: Mapping[str, Keyring],
        convention: Convention,
        workers: Workers | None = None,
    ) -> None:
        self.name = name
        self.ring = rings[name]
        self.convention = convention
        self.cache = PseudonymCache(folder / f"{name}-pseudonyms.sqlite")
        self._shared = workers is not None
        self.workers = workers or Workers(seed=self.ring.oprf_seed(), convention_id="demo")
        self.database = open_database(folder / f"{name}-evaluations.sqlite", SCHEMA)
        self.now = NOW
        self.desk = EvaluationDesk(
            self.database,
            convention=lambda: self.convention,
            member=name,
            signer=self.ring.signer(),
            evaluate=self.workers.blind_evaluate,
            now=lambda: self.now,
        )

    def close(self) -> None:
        """End its workers and close its files."""
        if not self._shared:
            self.workers.close()
        self.cache.close()
        self.database.close()


class Sites:
    """All partners' nodes; ``ask`` carries a batch from one to another as the relay would."""

    def __init__(self, folder: Path, *, population: int = 400, custodians: tuple[str, ...] = PARTNERS) -> None:
        self.rings = keyrings()
        self.convention = agreement(self.rings, custodians=custodians, population=population)
        self.sites = {name: Site(folder, name, self.rings, self.convention) for name in PARTNERS}
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    async def ask(self, custodian: str, statement: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        """Bring a batch to a custodian's desk."""
        self.asked.append(custodian)
        return await self.sites[custodian].desk.answer(statement, elements)

    def close(self) -> None:
        """Close every site."""
        for site in self.sites.values():
            site.close()
