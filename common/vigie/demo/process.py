"""A made-up economy: the hidden course of companies, and why some of them fail.

Pure numpy, no disk.  Each company has a latent stress (its own, its sector's, its size); the hazard of failing grows
with it.  A failure casts its shadow before: ``distress`` rises over the months that precede it.  Healthy companies have
incidents too, which look the same for a while and pass.

Every variable has its own random stream per block of ``BLOCK`` companies, drawn month by month from the first month of
the axis.  Hence a larger world begins with the companies of a smaller one, and a world one month longer tells the same
past: nothing visible depends on what comes more than ``AHEAD`` months later.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 1024
BEFORE: Final = 36
"""Months simulated before the first visible one, so that accounts and debts have a past."""
AHEAD: Final = 30
"""Months simulated after the last visible one: how early a failure begins to show."""
NEVER: Final = 10**6
LIQUIDATION: Final = 2

_SECTORS: Final = 12
_MONTHLY_HAZARD: Final = 0.000_63
"""About 1 % of companies within 18 months, the published rate once companies already in proceedings are left out."""
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
    distress: Floats  # 0 to 1, what shows


def simulate(world: World, streams: Streams) -> Companies:
    """The hidden course of a block of companies."""
    sector = streams("sector").integers(0, _SECTORS, BLOCK)
    size = np.minimum(10.0 * np.exp(streams("size").exponential(0.85, BLOCK)), 6000.0)
    own = autoregression(streams("own").normal(size=(world.axis, BLOCK)), 0.95)
    stress = 0.8 * own + world.climate[:, sector] + world.risk[sector] - 0.12 * np.log(size / 25.0)

    newborn = streams("newborn").random(BLOCK) < 0.06
    born = np.where(newborn, streams("born").integers(1, 12, BLOCK), 0)
    born = BEFORE + np.where(born < world.months, born, 0)
    # Scaled so that the mean hazard is _MONTHLY_HAZARD: the mean of exp(0.9 x) for the stresses above.
    hazard = _MONTHLY_HAZARD * np.exp(0.9 * stress - 0.36)
    hazard[np.arange(world.axis)[:, None] < born + np.where(newborn, 6, 0)] = 0.0
    fallen = np.cumsum(hazard, axis=0) > streams("fate").exponential(size=BLOCK)
    fails = np.where(fallen[-1], np.argmax(fallen, axis=0), NEVER).astype(np.int64)

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
        stress=stress + _decline(world, fails),
        distress=np.maximum(_shadow(world, streams, fails), _incidents(streams, stress)),
    )


def _decline(world: World, fails: Ints) -> Floats:
    """Slow decline over the ``AHEAD`` months before a failure, which yearly accounts can show in time."""
    left = fails - np.arange(world.axis)[:, None]
    return 0.9 * np.clip(1.0 - left / AHEAD, 0.0, 1.0)


def _shadow(world: World, streams: Streams, fails: Ints) -> Floats:
    """Distress that a failure casts before it; about one in six comes with hardly a sign."""
    lead = streams("lead").integers(5, 19, BLOCK)
    sudden = streams("sudden").random(BLOCK) < 0.17
    strength = streams("strength").random(BLOCK) * np.where(sudden, 0.2, 0.4) + np.where(sudden, 0.0, 0.6)
    left = fails - np.arange(world.axis)[:, None]
    before = np.clip(1.0 - left / lead, 0.0, 1.0) ** 0.8
    afterwards = 0.8 * np.exp(np.minimum(left, 0) / 12.0)
    return strength * np.where(left >= 0, before, afterwards)


def _incidents(streams: Streams, stress: Floats) -> Floats:
    """Distress of some months that leads to nothing, likelier under stress."""
    shape = stress.shape
    starts = streams("incident").random(shape) < 0.006 * np.exp(0.6 * stress)
    lasts = streams("incident-months").integers(2, 10, shape)
    strength = streams("incident-strength").uniform(0.15, 0.9, shape)
    return episodes(starts, lasts, strength)


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
