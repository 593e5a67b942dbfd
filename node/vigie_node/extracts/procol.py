"""``procol``: events of insolvency proceedings, since 2006 (reference section 1.7).

Action and stage of an event stand in one cell, glued by ``_``, in either order and in any case: the part with
*liquidation*, *redressement* or *sauvegarde* in it is the action, and the others, joined again, are the stage. A cell
without action rejects its row; the real system keeps it, without action. An event of a company is delivered once for
each of its establishments. Source: ``lib/parsing/urssaf/procol.go``.
"""

from typing import Final

from vigie_node.extracts.cells import NAMED_DATE, Cell
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout

STAGES: Final = (
    "ouverture", "plan_continuation", "solde_procedure", "fin_procedure", "abandon_procedure",
    "inclusion_autre_procedure", "cloture_insuffisance_actif",
)  # fmt: skip
"""Stages seen in real files; others are counted and kept."""

_ACTION: Final = "liquidation|redressement|sauvegarde"


def _event(x: str) -> str:
    """SQL of STRUCT(action, stage) of a glued cell."""
    text, part = f"lower({x})", f"[^_]*({_ACTION})[^_]*"
    action = f"ltrim(regexp_extract({text}, '(^|_){part}'), '_')"
    # The separator after the action goes with it when the action stands first, else the one before it.
    first = f"regexp_matches({text}, '^{part}')"
    stage = (
        f"CASE WHEN {first} THEN regexp_replace({text}, '^{part}_?', '') ELSE regexp_replace({text}, '_{part}', '') END"
    )
    return f"CASE WHEN regexp_matches({text}, '{_ACTION}') THEN {{'action': {action}, 'stage': {stage}}} END"


EVENT: Final = Cell(
    "event",
    "STRUCT(action VARCHAR, stage VARCHAR)",
    _event,
    "an action (liquidation, redressement, sauvegarde) and a stage, joined by _: Solde_procedure_redressement",
    repeats=True,
)

PROCOL: Final = Kind(
    name="procol",
    title="insolvency proceedings",
    titre="procédures collectives",
    owner="urssaf",
    delivered_as=("sigfaible_pcoll.csv", "*pcoll*.csv", "*procol*.csv"),
    layouts=(
        Layout(
            "2026",
            Dialect(";", lazy_quotes=True),
            (
                Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment"),
                Field("effective", ("Dt_effet",), NAMED_DATE, nullable=False, upstream="date_effet"),
                Field("event", ("Lib_actx_stdx",), EVENT, nullable=False, stored=False),
            ),
        ),
    ),
    derived=(
        Derived("action", "VARCHAR", "event.action", upstream="action_procol"),
        Derived("stage", "VARCHAR", "event.stage", upstream="stade_procol"),
    ),
    company="left(siret, 9)",
    time="effective",
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("unknown_code", "stage", f"stage NOT IN ({', '.join(repr(stage) for stage in STAGES)})"),
    ),
)
