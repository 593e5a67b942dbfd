"""From scores to sealed results: one for each grant of the order's purpose, and what the run may publish about itself."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from vigie import result
from vigie.attestation import Proved
from vigie.bodies import Evidence, RunResult
from vigie.convention import Grant
from vigie.errors import Refused
from vigie.evidence import level, limits
from vigie.sealing import result_info, seal
from vigie.segment import segment_id, segment_root
from vigie.wiping import wipe
from vigie_hub.enclave.authorise import entitlement, rows_of, table_of
from vigie_hub.enclave.consolidate import Consolidation
from vigie_hub.enclave.disclosure import disclosed
from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.intake import Opened, Task
from vigie_hub.enclave.model import Model
from vigie_hub.enclave.model.levels import HIGH_PERCENT, MODERATE_PERCENT
from vigie_hub.enclave.months import month_text

MOST_FEATURES: Final = 250
"""Features explained in one result: those that are named most often in its reasons."""

_SCORE_FR: Final = {
    False: "Score non calibré : il classe les sociétés, il n'est pas une probabilité de défaillance. ",
    True: "Score calibré : part de défaillances observée à ce score sur des mois et des sociétés mis de côté. ",
}
_SCORE_EN: Final = {
    False: "The score is not calibrated: it ranks companies and is no probability of failure. ",
    True: "The score is calibrated: the share of failures seen at that score, on months and companies held out. ",
}
_NOTICE_FR: Final = (
    "Niveau vide : procédure collective déjà connue. Contributions en log-cotes, pour les sociétés en alerte et "
    "celles dont vous avez demandé les motifs. "
    "Une valeur vide veut dire inconnue ou non communiquée, jamais zéro. Ces données relèvent du secret professionnel."
)
_NOTICE_EN: Final = (
    "No level: a collective proceeding is already known. Contributions are log-odds, for alerted companies and "
    "those whose reasons you asked for. "
    "An empty value means unknown or not disclosed, never zero. These data are under professional secrecy."
)


_NO_ROWS: Final = np.zeros(0, np.intp)


@dataclass(frozen=True)
class SealedResult:
    """One result, ready for its recipient.

    Attributes:
        parts: sealed, in order.
        said: what the run says of it.
    """

    parts: tuple[bytes, ...]
    said: RunResult


def seal_result(
    task: Task,
    opened: Opened,
    found: Consolidation,
    grant: Grant,
    evidence: bytes,
    claim: Evidence,
    hardware: Proved | None = None,
) -> SealedResult:
    """Cut, fill and seal the result of one grant.

    Args:
        task: what the enclave was started for.
        opened: the partners' answers.
        found: the consolidation.
        grant: one of the purpose's.
        evidence: digest of the evidence.
        claim: what it says.
        hardware: what its quote proves, when it names one.

    Raises:
        Refused: claim ``recipient``: it has no key to seal to.
    """
    recipient = task.convention.member(grant.recipient)
    if recipient.sealing is None:
        raise Refused("recipient", expected="a member that results can be sealed to", found=recipient.name)
    entitled = entitlement(task.convention, grant, found.catalogue, found.present)
    known = found.known.get(grant.recipient)
    rows = rows_of(grant, found.scores, known) if known is not None else _NO_ROWS
    asked = found.asked.get(grant.recipient, np.zeros(len(found.scores.score), np.bool_))
    table = table_of(entitled, rows, found.scores, found.catalogue, found.usual, asked)
    calibrated = found.scores.learnt.model.calibration is not None
    about = {
        "grant": grant.name,
        "recipient": grant.recipient,
        "purpose": grant.purpose,
        "period": task.order.period,
        "order": task.order_digest.hex(),
        "evidence": evidence.hex(),
        "level": level(claim, task.convention, hardware),
        "limits": list(limits(claim, task.convention, hardware, language="fr")),
        "withheld": {column: list(labels) for column, labels in entitled.withheld.items()},
        "missing_partners": list(opened.missing),
        "freshness": freshness(task, opened),
        "features": _explained(table, found.catalogue),
        "notice_fr": _SCORE_FR[calibrated] + _NOTICE_FR,
        "notice_en": _SCORE_EN[calibrated] + _NOTICE_EN,
    }
    plain = result.encode(table, about)
    try:
        parts = tuple(
            seal(recipient.sealing, result_info(task.order_digest, evidence, grant.name, number), part)
            for number, part in enumerate(plain)
        )
    finally:
        wipe(*plain)
    digest = segment_root([segment_id(part) for part in parts])
    said = RunResult(grant.name, grant.recipient, digest, len(parts), sum(len(part) for part in plain))
    return SealedResult(parts, said)


def freshness(task: Task, opened: Opened) -> dict[str, dict[str, str]]:
    """For each dataset of the run: who sent it, for which period, and as of which day; the oldest of several."""
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    for lot in task.lots:
        if lot.place in opened.places:
            key = (lot.body.dataset, lot.body.partner)
            newest[key] = max(newest.get(key, ("", "")), (lot.body.period, lot.body.as_of))
    told: dict[str, dict[str, str]] = {}
    for (dataset, partner), (period, as_of) in sorted(newest.items()):
        earlier = told.get(dataset)
        told[dataset] = {
            "partner": partner if earlier is None else f"{earlier['partner']}, {partner}",
            "period": period if earlier is None else min(earlier["period"], period),
            "as_of": as_of if earlier is None else min(earlier["as_of"], as_of),
        }
    return told


def model_card(task: Task, opened: Opened, found: Consolidation) -> dict[str, Any]:
    """What the run says of its model: windows, settings, features, and counts under the disclosure rule."""
    panel, rule = found.panel, task.convention.disclosure
    failing, others = disclosed(panel.failing, rule), disclosed(panel.companies - panel.failing, rule)
    # One of the two alone would give the other back from the total.
    both = failing is not None and others is not None
    names = list(found.catalogue.names)
    return {
        "kind": "LightGBM, binary",
        **_model_said(found.scores.learnt.model),
        "target": task.purpose.target,
        "horizon_months": task.purpose.horizon,
        "period": task.order.period,
        "training_months": None if panel.months is None else [month_text(month) for month in panel.months],
        "training_companies": disclosed(panel.companies, rule),
        "failing_companies": failing if both else None,
        "strong_signals": "companies in proceedings are neither trained on nor given a level",
        "features": names if len(names) <= MOST_FEATURES else len(names),
        "missing_partners": list(opened.missing),
        "freshness": freshness(task, opened),
    }


def _model_said(model: Model) -> dict[str, Any]:
    """Settings, windows and thresholds of the model that scored."""
    said: dict[str, Any] = {
        "rounds": model.rounds,
        "settings": dict(model.settings),
        "recipe": model.recipe,
        "calibrated": model.calibration is not None,
        "reason": model.reason,
        "windows": None,
        "levels": {"Alerte seuil F1": f"highest {HIGH_PERCENT} %", "Alerte seuil F2": f"next {MODERATE_PERCENT} %"},
    }
    if model.windows is not None and model.thresholds is not None:
        said["windows"] = {
            name: [*map(month_text, getattr(model.windows, name))] for name in ("fit", "calibration")
        }  # fmt: skip
        said["levels"] = {
            "Alerte seuil F1": f"score from {model.thresholds.high:.4f} on, best F0.5",
            "Alerte seuil F2": f"score from {model.thresholds.moderate:.4f} on, best F2",
        }
    return said


def _explained(table: pa.Table, catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """Meaning of the features that the reasons of a result name."""
    named: Counter[str] = Counter()
    for number in range(1, result.REASONS + 1):
        named.update(name for name in table.column(f"reason_{number}").to_pylist() if name is not None)
    wanted = {name for name, _ in sorted(named.items(), key=lambda item: (-item[1], item[0]))[:MOST_FEATURES]}
    return {
        feature.name: {"fr": feature.french, "en": feature.english, "unit": feature.unit, "topic": feature.topic.value}
        for feature in catalogue.features
        if feature.name in wanted
    }
