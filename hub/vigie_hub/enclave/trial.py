"""A model of made-up rows: learnt, judged, published, sealed into bytes and used again, before the process seals itself."""

import numpy as np
import pyarrow as pa

from vigie.convention import Disclosure
from vigie.datasets import PSEUDONYM_BYTES
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.features import Catalogue, Group, catalogue_of
from vigie_hub.enclave.model import Panel, PanelBuilder, split, train_and_score
from vigie_hub.enclave.rehearsal import COMPANIES, DECLARED, PERIOD
from vigie_hub.enclave.usual import Usual


def try_model(group: Group, catalogue: Catalogue) -> None:
    """Train and score on the rehearsed features, which are too few to be judged; then judge on a panel that is long enough.

    Args:
        group: of :data:`~vigie_hub.enclave.rehearsal.COMPANIES` made-up companies.
        catalogue: its features.
    """
    builder = PanelBuilder(target="failure", horizon=18, period=PERIOD)
    builder.add(group)
    panel = builder.build()
    trained = train_and_score(panel, catalogue)
    train_and_score(panel, catalogue, model=trained.model_bytes)
    Usual.of(panel, Disclosure(3, 0.85, 5)).range(0)
    _judge()


def _judge() -> None:
    """Train with held-out rows, judge, publish, and score with the model's bytes, on a panel long enough for it."""
    months, companies = 36, 100
    company = np.repeat(np.arange(companies, dtype=np.int32), months)
    labels = (company % 2).astype(np.uint8)
    noise = np.arange(len(company)) * 7919 % 101 / 50.0
    # The held-out companies say the opposite of the others, so that training stops as soon as it may.
    same = np.arange(companies, dtype=np.int32)
    held = split.parts(same, same % 2 == 1)[company] == split.HELD
    panel = Panel(
        keys=pa.array([number.to_bytes(PSEUDONYM_BYTES, "big") for number in range(COMPANIES)]),
        scored=noise[:COMPANIES, None].copy(),
        strong=np.arange(COMPANIES) % 9 == 0,
        values=(np.where(held, 1 - labels, labels) + noise)[:, None],
        labels=labels,
        companies=companies,
        failing=companies // 2,
        months=(PERIOD - 17 - months, PERIOD - 18),
        company=company,
        month=np.tile(np.arange(PERIOD - 17 - months, PERIOD - 17, dtype=np.int32), companies),
        same=same,
        proceeding=np.full(companies, PERIOD - 10, np.int32),
        sector=np.arange(companies, dtype=np.int32) % 3,
        departement=np.arange(companies, dtype=np.int32) % 3,
    )
    catalogue = catalogue_of([DECLARED])
    scores = train_and_score(panel, catalogue)
    published(scores, panel, catalogue.names, Disclosure(3, 0.85, 5))
    train_and_score(panel, catalogue, model=scores.model_bytes)
