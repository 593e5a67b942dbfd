"""``pge``: whether a state-guaranteed loan of a company is running (reference section 1.16).

Owner: DGE and Banque de France; confidential, of the label ``pge``. An empty cell means *unknown*, and is not *no*: the two
are kept apart (section 3.2). Source: the import of datapi.
"""

from typing import Final

from vigie_node.extracts.cells import SIREN, Cell
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

WRITTEN_TRUTH: Final = Cell(
    "truth",
    "BOOLEAN",
    lambda x: (
        f"CASE WHEN regexp_full_match({x}, '(?i)true|t|1') THEN true "
        f"WHEN regexp_full_match({x}, '(?i)false|f|0') THEN false END"
    ),
    "true or false (also t and f, 1 and 0), or nothing when it is not known",
)
"""The forms in which PostgreSQL and Go write it."""

PGE: Final = Kind(
    name="pge",
    title="state-guaranteed loans",
    titre="prêts garantis par l'État",
    owner="pge",
    delivered_as=("pge.csv", "*pge*.csv"),
    layouts=(
        Layout(
            "list",
            Dialect(","),
            (
                Field("siren", ("siren",), SIREN, nullable=False, upstream="siren"),
                Field("active", ("actif",), WRITTEN_TRUTH, upstream="actif", meaning="a loan is running"),
            ),
        ),
    ),
    company="siren",
    warnings=(*siren_warnings(), Check("unknown", "active", "active IS NULL")),
)
