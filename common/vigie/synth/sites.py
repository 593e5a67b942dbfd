"""Where the made-up companies are: establishments with a SIRET each, and their accounts at the Urssaf.

Everything that is known of a company as a whole is divided among its accounts here, in whole numbers that add up again.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vigie.demo.process import BLOCK, Companies, Streams
from vigie.demo.sirens import check_digit
from vigie.synth.places import NAF, PLACES

Ints = NDArray[np.int64]

MOST_ESTABLISHMENTS: Final = 8
WHOLE: Final = 1 << 16
_ACCOUNT_SPACE: Final = 10**15
_STRIDE: Final = 611_953
"""Prime to 10^15, so that the numbers of accounts are distinct and do not show the order of companies."""


@dataclass(frozen=True)
class Sites:
    """Establishments and accounts of the first companies of a block, company by company.

    Arrays that begin with ``est`` are (establishment), with ``acc`` (account), the others (company).
    """

    siren: Ints
    naf: Ints  # (company) row of NAF
    headquarters: Ints  # (company) its first establishment
    establishments: Ints  # (company) how many
    accounts: Ints  # (company) how many
    first_account: Ints  # (company)
    est_company: Ints
    est_ordinal: Ints
    est_nic: Ints
    est_place: Ints  # row of PLACES
    acc_company: Ints
    acc_establishment: Ints
    acc_ordinal: Ints  # 0, or 1 for the second account of an establishment
    acc_number: Ints  # fifteen digits, after the three of its Urssaf
    acc_from: Ints  # share of the company: from, of WHOLE
    acc_to: Ints

    def divide(self, company: Ints, amount: Ints) -> tuple[Ints, Ints, Ints]:
        """The amount of each row divided among the accounts of its company.

        Returns:
            (row that was divided, account, part): as many rows as accounts; parts of a row add up to its amount.
        """
        row, account = self.spread(company)
        whole = amount[row]
        return row, account, self.part(account, whole)

    def spread(self, company: Ints) -> tuple[Ints, Ints]:
        """(row, account): one for each account of the company of each row."""
        return _spread(company, self.accounts, self.first_account)

    def spread_establishments(self, company: Ints) -> tuple[Ints, Ints]:
        """(row, establishment): one for each establishment of the company of each row."""
        return _spread(company, self.establishments, self.headquarters)

    def part(self, account: Ints, whole: Ints) -> Ints:
        """What of ``whole``, which belongs to the company, falls to the account."""
        begin, end = self.between(account, whole)
        return end - begin

    def between(self, account: Ints, whole: Ints) -> tuple[Ints, Ints]:
        """Where the part of the account begins and ends when the accounts of a company share ``whole`` in order."""
        return whole * self.acc_from[account] // WHOLE, whole * self.acc_to[account] // WHOLE


def _spread(company: Ints, many: Ints, first: Ints) -> tuple[Ints, Ints]:
    count = many[company]
    row = np.repeat(np.arange(len(company)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, first[company][row] + within


def settle(companies: Companies, streams: Streams, siren: Ints, first: int) -> Sites:
    """The sites of the first ``len(siren)`` companies of a block whose first company is number ``first`` of all."""
    count = len(siren)
    shape = (BLOCK, MOST_ESTABLISHMENTS)
    more = streams("establishments").poisson(np.minimum(0.5 * np.log(companies.size / 10.0), 3.0))
    many = (1 + np.minimum(more, MOST_ESTABLISHMENTS - 1))[:count]
    there = np.arange(MOST_ESTABLISHMENTS) < many[:, None]
    weight = streams("establishment-weight").uniform(0.1, 1.0, (*shape, 2)) ** 2
    weight[:, 0] *= 2.5
    second = (streams("second-account").random(shape) < 0.06)[:count] & there
    exists = np.stack([there, second], axis=2)  # (company, establishment, account)
    bounds = np.cumsum(np.where(exists, weight[:count], 0.0).reshape(count, -1), axis=1)
    upper = np.floor(bounds / bounds[:, -1:] * WHOLE).astype(np.int64)
    lower = np.hstack([np.zeros((count, 1), np.int64), upper[:, :-1]])

    est_company, est_ordinal = np.nonzero(there)
    number = np.cumsum(there.reshape(-1)).reshape(there.shape) - 1
    acc_company, acc_ordinal_of, acc_ordinal = np.nonzero(exists)
    flat = acc_ordinal_of * 2 + acc_ordinal
    accounts = exists.reshape(count, -1).sum(axis=1)
    place = streams("place").choice(len(PLACES), p=[where.weight for where in PLACES], size=shape)
    near = streams("near").random(shape) < 0.6
    place = np.where(near, place[:, :1], place)[:count]
    own = streams("naf").integers(0, 3, BLOCK)[:count]
    return Sites(
        siren=siren,
        naf=(companies.sector[:count] * (len(NAF) // 12) + own),
        headquarters=np.cumsum(many) - many,
        establishments=many,
        accounts=accounts,
        first_account=np.cumsum(accounts) - accounts,
        est_company=est_company,
        est_ordinal=est_ordinal,
        est_nic=_nic(siren[est_company], est_ordinal),
        est_place=place[est_company, est_ordinal],
        acc_company=acc_company,
        acc_establishment=number[acc_company, acc_ordinal_of],
        acc_ordinal=acc_ordinal,
        acc_number=((first + acc_company) * 16 + flat + 1) * _STRIDE % _ACCOUNT_SPACE,
        acc_from=lower[acc_company, flat],
        acc_to=upper[acc_company, flat],
    )


def _nic(siren: Ints, ordinal: Ints) -> Ints:
    """Four digits in order of opening, and the digit that makes the SIRET pass Luhn's check."""
    number = ordinal + 1
    return number * 10 + check_digit(siren * 10_000 + number, 13)
