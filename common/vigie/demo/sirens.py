"""Made-up SIRENs: distinct, shuffled, with a right check digit, and one in ten begins with 0.

A SIREN is eight digits and a Luhn check digit, so there are 10^8.  A keyed permutation of the eight digits gives the
i-th of them without a table of those already given: any number of companies fits in bounded memory.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

COUNT: Final = 10**8 - 1
"""How many there are: 000000000 passes the check but is nobody's."""

_HALF: Final = 10**4
_ROUNDS: Final = 6


class Sirens:
    """The SIRENs of one seed, by index from 0 to ``COUNT`` - 1."""

    def __init__(self, seed: int) -> None:
        """Draw the permutation of this seed."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(0,))))
        self._tables = rng.integers(0, _HALF, size=(_ROUNDS, _HALF), dtype=np.int64)

    def take(self, start: int, count: int) -> NDArray[np.int64]:
        """SIRENs ``start`` to ``start + count - 1`` as numbers; write them with nine digits."""
        stems = self._permute(np.arange(start, start + count, dtype=np.int64))
        # The one index that falls on 00000000 takes the place of the last, which nobody else is given.
        stems = np.where(stems == 0, self._permute(np.array([COUNT], dtype=np.int64)), stems)
        return stems * 10 + check_digit(stems)

    def _permute(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """A Feistel network on two halves of four digits: a permutation of 0 to 10^8 - 1 whatever its tables."""
        left, right = index // _HALF, index % _HALF
        for table in self._tables:
            left, right = right, (left + table[right]) % _HALF
        return left * _HALF + right


def check_digit(stems: NDArray[np.int64], digits: int = 8) -> NDArray[np.int64]:
    """Luhn check digit of numbers of so many digits: eight before that of a SIREN, thirteen before that of a SIRET."""
    total = np.zeros_like(stems)
    for place in range(digits):
        digit = stems // 10**place % 10
        doubled = digit * 2 if place % 2 == 0 else digit
        total += np.where(doubled > 9, doubled - 9, doubled)
    return (10 - total % 10) % 10
