"""A made-up economy: the hidden course of companies, and why some of them fail.

Pure numpy, no disk.  Each company has a latent stress (its own, its sector's, its size), which its accounts tell late.  Now
and then something happens to it: a customer that does not pay, an order that is lost.  Whether that ends in court depends
on how hard it struck and on how much the company could take, and only through both at once: a sound company gets over a
hard blow, a fragile one that nothing happens to goes on for years.  What shows in the first months is the same for those
who will get over it and those who will not.  One failure in six comes without any of this.

Time runs forwards only: what a company shows follows from what has happened to it, never from what will.  How often
companies fail and how well that can be foreseen at all is set to what the programme publishes of itself (about 1 % in 18
months; without companies that are in proceedings already, an area under the precision-recall curve near 0.15, September
2021), not to what any model makes of it.

Every variable has its own random stream per block of ``BLOCK`` companies, drawn month by month from the first month of
the axis.  Hence a larger world begins with the companies of a smaller one, and a world one month longer tells the same
past.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 1024
BEFORE: Final = 36
"""Months simulated before the first visible one, so that accounts and debts have a past."""
AHEAD: Final = 3
"""Months simulated after the last visible one, so that the quarter that it lies in is whole."""
NEVER: Final = 10**6
LIQUIDATION: Final = 2

_SECTORS: Final = 12
_BLOWS: Final = 0.0046
"""Blows for each month of a company of middling stress."""
_SUDDEN: Final = 0.000_11
"""Failures for each month that nothing announces."""
_CRISIS: Final = {
    **dict.fromkeys(range(2020 * 12 + 2, 2020 * 12 + 6), 0.8),
    **dict.fromkeys(range(2020 * 12 + 10, 2021 * 12 + 1), 0.35),
}
"""Months of the health crisis (year x 12 + month - 1) and how far they push companies into short-time work."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Streams:
    """Independent, named sources of chance: the same name gives the same numbers whatever else was drawn."""

    def __init__(self, seed: int, block: int) -> None:
        """Sources of one block of one seed; block -1 is the world that all blocks share."""
        self._seed = seed
        self._block = block

    def __call__(self, name: str) -> np.random.Generator:
        """The source of that name, from its beginning."""
        key = (self._block + 2, *name.encode("ascii"))
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(self._seed, spawn_key=key)))


@dataclass(frozen=True)
class World:
    """What all companies share.

    ``first`` is the first visible month as year x 12 + month - 1, ``months`` the number of visible months.  Arrays by
    month run over ``axis`` months, of which the visible ones begin at ``BEFORE``.
    """

    seed: int
    first: int
    months: int
    risk: Floats  # (sector) added to the stress
    season: Floats  # (axis, sector) seasonality of the headcount, log
    climate: Floats  # (axis, sector) stress of the sector
    wage: Floats  # (sector) monthly contributions per person, EUR
    exposure: Floats  # (sector) leaning to short-time work
    crisis: Floats  # (axis)

    @property
    def axis(self) -> int:
        """Number of simulated months."""
        return BEFORE + self.months + AHEAD

    @classmethod
    def draw(cls, seed: int, first: int, months: int) -> "World":
        """The world of a seed."""
        streams = Streams(seed, -1)
        axis = BEFORE + months + AHEAD
        absolute = np.arange(axis) + first - BEFORE
        phase = streams("season").uniform(0.0, 2.0 * np.pi, _SECTORS)
        amplitude = streams("amplitude").uniform(0.0, 0.06, _SECTORS)
        return cls(
            seed=seed,
            first=first,
            months=months,
            risk=streams("risk").normal(0.0, 0.35, _SECTORS),
            season=amplitude * np.cos(2.0 * np.pi * absolute[:, None] / 12.0 + phase),
            climate=autoregression(streams("climate").normal(size=(axis, _SECTORS)), 0.97) * 0.25,
            wage=streams("wage").uniform(800.0, 1900.0, _SECTORS),
            exposure=streams("exposure").uniform(0.1, 1.0, _SECTORS),
            crisis=np.array([_CRISIS.get(int(month), 0.0) for month in absolute]),
        )


@dataclass(frozen=True)
class Companies:
    """The hidden truth about one block.  Arrays by month are (axis, company), the others (company).

    Times are positions on the axis, ``NEVER`` when it does not happen.
    """

    sector: Ints
    size: Floats  # persons at the start
    born: Ints
    fails: Ints  # month of the first judgment
    action: Ints  # 0 safeguard, 1 receivership, 2 liquidation: the first judgment
    settled: Ints  # month in which a safeguard or receivership ends in a plan or in liquidation
    dies: Ints  # month of the liquidation; rows stop after it
    stress: Floats
    distress: Floats  # 0 to 1, what shows of blows


def simulate(world: World, streams: Streams) -> Companies:
    """The hidden course of a block of companies."""
    sector = streams("sector").integers(0, _SECTORS, BLOCK)
    size = np.minimum(10.0 * np.exp(streams("size").exponential(0.85, BLOCK)), 6000.0)
    own = autoregression(streams("own").normal(size=(world.axis, BLOCK)), 0.97)
    stress = 0.8 * own + world.climate[:, sector] + world.risk[sector] - 0.12 * np.log(size / 25.0)

    newborn = streams("newborn").random(BLOCK) < 0.06
    born = np.where(newborn, streams("born").integers(1, 12, BLOCK), 0)
    born = BEFORE + np.where(born < world.months, born, 0)
    struck, distress = _blows(streams, stress, np.where(newborn, born, 0), born)
    sudden = streams("sudden").random(stress.shape) < _SUDDEN * np.exp(0.5 * stress)
    sudden[np.arange(world.axis)[:, None] < born + np.where(newborn, 6, 0)] = False
    unannounced = np.where(sudden.any(axis=0), np.argmax(sudden, axis=0), NEVER)
    fails = np.minimum(struck, unannounced)

    action = np.searchsorted(np.array([0.10, 0.42]), streams("action").random(BLOCK)).astype(np.int64)
    after = fails + streams("settled").integers(4, 13, BLOCK)
    settled = np.where((fails < NEVER) & (action < LIQUIDATION), after, NEVER)
    converted = streams("converted").random(BLOCK) < np.where(action == 0, 0.25, 0.5)
    dies = np.where(action == LIQUIDATION, fails, np.where(converted, settled, NEVER))
    return Companies(
        sector=sector,
        size=size,
        born=born,
        fails=fails,
        action=action,
        settled=settled,
        dies=dies,
        stress=stress,
        distress=_afterwards(distress, fails),
    )


def _blows(streams: Streams, stress: Floats, begun: Ints, born: Ints) -> tuple[Ints, Floats]:
    """When each company fails of a blow, ``NEVER`` when of none, and the distress that its blows cause.

    One blow at a time.  Distress grows towards the blow's strength in the same way for all; those who get over it are
    rid of it within some months, those who do not sink faster as their last month nears. Who is there in month ``born`` got
    over all that would have ended before it.
    """
    shape = stress.shape
    begins = streams("blow").random(shape) < _BLOWS * np.exp(0.35 * stress)
    begins &= np.arange(shape[0])[:, None] >= begun
    strength = streams("strength").uniform(0.2, 1.0, shape)
    lasts = streams("blow-months").integers(3, 13, shape)
    delay = streams("delay").integers(6, 19, shape)
    fatal = streams("fatal").random(shape) < _fatal(strength, stress)
    fatal &= np.arange(shape[0])[:, None] + delay >= born

    fails = np.full(shape[1], NEVER)
    since, left, level = np.zeros(shape[1]), np.zeros(shape[1], np.int64), np.zeros(shape[1])
    reaches, until = np.zeros(shape[1]), np.full(shape[1], NEVER)
    distress = np.zeros(shape)
    for at in range(shape[0]):
        new = begins[at] & (left == 0) & (fails == NEVER)
        fails = np.where(new & fatal[at], at + delay[at], fails)
        until = np.where(new & fatal[at], delay[at], until)
        left = np.where(new, np.where(fatal[at], NEVER, lasts[at]), left)
        reaches, since = np.where(new, strength[at], reaches), np.where(new, 0.0, since + 1.0)
        known = reaches * (1.0 - np.exp(-(since + 1.0) / 2.5))
        sinking = np.minimum(known + (1.0 - known) * np.minimum(since / until, 1.0) ** 3, 1.0)
        level = np.where(left > 0, np.maximum(np.where(fails < NEVER, sinking, known), 0.6 * level), 0.6 * level)
        distress[at] = level
        left = np.maximum(left - 1, 0)
    return fails, distress


def _fatal(strength: Floats, stress: Floats) -> Floats:
    """How likely a company does not get over a blow: hardly ever when it is sound or the blow light, often when neither."""
    return 0.85 / (1.0 + np.exp(-9.0 * (strength - 1.02 + 0.22 * stress)))


def _afterwards(distress: Floats, fails: Ints) -> Floats:
    """Distress with what is left of it after a judgment: debts are frozen, and shrink."""
    since = np.arange(len(distress))[:, None] - fails
    return np.where(since > 0, 0.8 * np.exp(-np.maximum(since, 0) / 12.0), distress)


def autoregression(shocks: Floats, memory: float) -> Floats:
    """Stationary AR(1) of unit variance along the first axis, from standard normal shocks."""
    path = np.empty_like(shocks)
    path[0] = shocks[0]
    scale = np.sqrt(1.0 - memory * memory)
    for at in range(1, len(shocks)):
        path[at] = memory * path[at - 1] + scale * shocks[at]
    return path


def episodes(starts: Bools, lasts: Ints, strength: Floats) -> Floats:
    """Level of the episode under way in each month, 0 when there is none; one that runs is not begun anew."""
    level = np.zeros_like(strength)
    left = np.zeros(strength.shape[1], dtype=np.int64)
    now = np.zeros(strength.shape[1])
    for at in range(len(starts)):
        begins = starts[at] & (left == 0)
        left = np.where(begins, lasts[at], left)
        now = np.where(begins, strength[at], now)
        level[at] = np.where(left > 0, now, 0.0)
        left = np.maximum(left - 1, 0)
    return level
