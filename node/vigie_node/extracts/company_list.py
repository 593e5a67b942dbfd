"""``filter``: the list of companies to look at, one SIREN a line (reference section 1.17).

Made by the project for each batch (``filter_siren_<batch>.csv``); the perimeter itself is computed elsewhere. Quotes may
stand anywhere, like in the real reader of it. A list of nobody is refused: it would leave out every row of every file.
"""

from typing import Final

from vigie_node.extracts.cells import SIREN
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Dialect, Field, Kind, Layout

COMPANY_LIST: Final = Kind(
    name="filter",
    title="list of companies",
    titre="liste d'entreprises (périmètre)",
    owner="",
    delivered_as=("filter_siren_*.csv", "filter*.csv"),
    layouts=(
        # Any other column would be a sign of another file that happens to have a SIREN.
        Layout(
            "list",
            Dialect(",", lazy_quotes=True),
            (Field("siren", ("siren",), SIREN, nullable=False, upstream="siren", meaning="company to look at"),),
            exact=True,
        ),
    ),
    company="siren",
    warnings=siren_warnings(),
    within_perimeter=False,
)
