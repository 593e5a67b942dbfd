"""Made-up companies with a long history, as the groups that features come in: quick, and long enough to hold months out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_hub.enclave.features import Group
from vigie_hub.enclave.model import Panel, PanelBuilder
from vigie_hub.enclave.months import NEVER, parse_month

PERIOD = parse_month("2021-04")
HORIZON = 18
FEATURES = ("dull", "warning", "noise", "often_missing")


@dataclass(frozen=True)
class Town:
    """Companies by number.

    Attributes:
        values: shape (companies, months, features), the months up to the period.
        proceeding: month of each, or ``NEVER``.
    """

    values: npt.NDArray[np.float64]
    proceeding: npt.NDArray[np.int32]
    sector: npt.NDArray[np.int32]
    departement: npt.NDArray[np.int32]

    @classmethod
    def made(cls, companies: int = 800, months: int = 60, failing: float = 0.4, seed: int = 1) -> "Town":
        random = np.random.default_rng(seed)
        first = PERIOD - months + 1
        proceeding = np.full(companies, NEVER, np.int32)
        fails = random.random(companies) < failing
        proceeding[fails] = random.integers(first + 1, PERIOD + 1, fails.sum())
        left = proceeding[:, None] - np.arange(first, PERIOD + 1)[None, :]
        values = random.normal(size=(companies, months, len(FEATURES)))
        # Nine in ten failures show from a year before on, one in fifty healthy months looks the same.
        shows = (left <= 12) & (random.random(companies) < 0.9)[:, None]
        values[:, :, 1] += np.where(shows, 3.0, 0.0) + np.where(random.random((companies, months)) < 0.02, 2.5, 0.0)
        values[:, :, 0] = np.round(values[:, :, 0])
        values[random.random((companies, months)) < 0.7, 3] = np.nan
        return cls(
            values,
            proceeding,
            random.integers(0, 4, companies).astype(np.int32),
            random.integers(-1, 3, companies).astype(np.int32),
        )

    def panel(self, key_seed: int = 0, groups: int = 3, *, target: str = "failure", placed: bool = True) -> Panel:
        """The panel under keys drawn from a seed, cut into so many groups."""
        keys = np.array([f"{number:016d}" for number in np.random.default_rng(key_seed).permutation(len(self.values))])
        order = np.argsort(keys)
        builder = PanelBuilder(target=target, horizon=HORIZON, period=PERIOD)
        for part in np.array_split(order, groups):
            builder.add(self._group(keys[part], part, placed=placed))
        return builder.build()

    def _group(self, keys: npt.NDArray[np.str_], part: npt.NDArray[np.intp], *, placed: bool) -> Group:
        months = self.values.shape[1]
        labelled = months - HORIZON
        first = PERIOD - months + 1
        base: dict[str, Any] = {
            "keys": pa.array([key.encode() for key in keys.tolist()], pa.binary(16)),
            "inside": np.ones(len(part), np.bool_),
            "scored": self.values[part, -1],
            "company": np.repeat(np.arange(len(part), dtype=np.int32), labelled),
            "month": np.tile(np.arange(first, first + labelled, dtype=np.int32), len(part)),
            "candidates": self.values[part, :labelled].reshape(-1, self.values.shape[2]),
            "proceeding": self.proceeding[part],
            "first": first,
            "in_default": np.zeros((len(part), months), np.bool_),
        }
        nowhere = np.full(len(part), -1, np.int16)
        return Group(
            **base,
            period=PERIOD,
            candidate_sector=np.full(len(part) * labelled, -1, np.int16),
            label=np.full(len(part) * labelled, -1, np.int8),
            sector=self.sector[part].astype(np.int16) if placed else nowhere,
            departement=self.departement[part].astype(np.int16) if placed else nowhere,
        )
