"""One block of the made-up economy with all that the writers of extracts need, each thing worked out once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vigie.demo import traces as seen
from vigie.demo.process import BEFORE, BLOCK, NEVER, Companies, Streams, World, simulate
from vigie.demo.sirens import Sirens
from vigie.demo.traces import Furlough, Rows, Traces
from vigie.synth import text
from vigie.synth.places import LEGAL_FORMS, NAF, PLACES
from vigie.synth.sites import Sites, settle
from vigie.synth.text import Text

Ints = NDArray[np.int64]

_NAMES: Final = (
    "ATELIERS", "BATI", "COMPTOIR", "DISTRI", "ETABLISSEMENTS", "FABRIQUE", "GARAGE", "HOTEL", "INGENIERIE", "LOGIS",
    "MENUISERIE", "NEGOCE", "OUTILLAGE", "PRIM", "SERVICES", "TRANSPORTS",
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """The first ``count`` companies of a block; ``first`` is the number of its first company among all."""

    world: World
    streams: Streams
    companies: Companies
    traces: Traces
    sites: Sites
    first: int
    count: int

    @classmethod
    def make(cls, world: World, sirens: Sirens, at: int, count: int) -> "Block":
        """Block number ``at``, cut after ``count`` companies."""
        streams = Streams(world.seed, at)
        companies = simulate(world, streams)
        traces = seen.observe(world, companies, streams)
        sites = settle(companies, streams, sirens.take(at * BLOCK, count), at * BLOCK)
        return cls(world, streams, companies, traces, sites, at * BLOCK, count)

    @property
    def last(self) -> int:
        """Position of the last visible month on the axis."""
        return BEFORE + self.world.months - 1

    @property
    def last_day(self) -> int:
        """Last visible day, in days since 1970-01-01."""
        return int(seen.first_day(self.world, np.array([self.last + 1]))[0]) - 1

    def month(self, at: Ints) -> Ints:
        """Year x 12 + month - 1 of positions on the axis."""
        return at + self.world.first - BEFORE

    def first_day(self, at: Ints) -> Ints:
        """First day of months of the axis, in days since 1970-01-01."""
        return seen.first_day(self.world, at)

    def kept(self, rows: Rows) -> tuple[Ints, list[np.ma.MaskedArray]]:
        """Canonical rows of the companies that are there."""
        company, columns = rows
        mask = company < self.count
        return company[mask], [np.ma.masked_array(column)[mask] for column in columns]

    def chance(self, name: str) -> NDArray[np.float64]:
        """A number from 0 to 1 for each company of the block."""
        return self.streams(name).random(BLOCK)[: self.count]

    # Companies

    @cached_property
    def siren(self) -> Text:
        """(company)"""
        return text.padded(self.sites.siren, 9)

    @cached_property
    def name(self) -> Text:
        """(company)"""
        number = np.arange(self.first, self.first + self.count)
        return text.join(text.pick(_NAMES, self.sites.siren % len(_NAMES)), " ", text.integer(number))

    @cached_property
    def legal_form(self) -> Ints:
        """(company) row of LEGAL_FORMS."""
        bounds = np.cumsum([share for _, share in LEGAL_FORMS])
        return np.minimum(np.searchsorted(bounds, self.chance("legal-form")), len(LEGAL_FORMS) - 1).astype(np.int64)

    @cached_property
    def naf(self) -> Text:
        """(company) ``62.02A``"""
        return text.pick(NAF, self.sites.naf)

    @cached_property
    def created(self) -> Ints:
        """(company) day of creation: the first visible day of a newborn, years before for the others."""
        companies = self.companies
        born = companies.born[: self.count]
        years = self.chance("age") ** 2 * 45.0 + 3.0
        old = self.first_day(np.zeros(1, np.int64)) - np.floor(years * 365.25).astype(np.int64)
        return np.where(born > BEFORE, self.first_day(born), old)

    @cached_property
    def closed(self) -> Ints:
        """(company) day after its last month, or NEVER."""
        dies = self.companies.dies[: self.count]
        return np.where(dies <= self.last, self.first_day(np.minimum(dies, self.last) + 1), NEVER)

    # Establishments and accounts

    @cached_property
    def siret(self) -> Text:
        """(establishment)"""
        sites = self.sites
        return text.join(self.siren.take(sites.est_company), text.padded(sites.est_nic, 5))

    @cached_property
    def account(self) -> Text:
        """(account) eighteen digits."""
        place = self.sites.est_place[self.sites.acc_establishment]
        return text.join(text.pick([one.urssaf for one in PLACES], place), text.padded(self.sites.acc_number, 15))

    @cached_property
    def account_siret(self) -> Text:
        """(account) SIRET of its establishment."""
        return self.siret.take(self.sites.acc_establishment)

    def urssaf_columns(self, account: Ints) -> tuple[Text, Text]:
        """``Urssaf_gestion`` and ``Dep`` of accounts."""
        place = self.sites.est_place[self.sites.acc_establishment[account]]
        return (
            text.pick([one.urssaf for one in PLACES], place),
            text.pick([one.department[:2] for one in PLACES], place),
        )

    # What is seen

    @cached_property
    def headcount(self) -> Ints:
        """(company, month) persons, -1 where not delivered."""
        company, (month, persons) = self.kept(seen.headcount(self.world, self.companies, self.traces, self.streams))
        start = self.first_day(np.arange(BEFORE, self.last + 1))
        at = np.searchsorted(start, np.ma.getdata(month))
        filled = np.full((self.count, self.world.months), -1, np.int64)
        filled[company, at] = persons.filled(-1)
        return filled

    @cached_property
    def ratios(self) -> tuple[Ints, list[np.ma.MaskedArray]]:
        """Canonical yearly ratios."""
        return self.kept(seen.ratios(self.world, self.companies, self.traces, self.streams))

    @cached_property
    def plans(self) -> tuple[Ints, list[np.ma.MaskedArray]]:
        """Canonical payment plans."""
        return self.kept(seen.payment_plans(self.world, self.traces, self.streams))

    @cached_property
    def furlough(self) -> Furlough:
        """Short-time work of the whole block."""
        return seen.furlough(self.world, self.companies, self.traces, self.streams)
