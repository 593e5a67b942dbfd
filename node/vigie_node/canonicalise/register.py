"""What the two datasets from the register of companies share: establishments, each once, and SQL of its codes."""

from typing import Final

from vigie.datasets.activities import SECTION_OF_DIVISION, SECTIONS
from vigie.datasets.departments import category_of
from vigie_node.canonicalise.recipe import Given

_ACTIVITY: Final = "[0-9]{2}[.]?[0-9]{2}[A-Z]"


def establishments(given: Given) -> tuple[str, int]:
    """Keep each establishment of ``sirene`` once, the last that was delivered.

    Returns:
        The name of a table of ``siren, siret, department, abroad, head_office, open``, in which ``department`` is a
        category of the datasets or null; and how many rows of the extract repeat another one.
    """
    category = f"'{category_of('')}' || lower(department)"
    table = given.scratch(
        "establishments",
        f"SELECT siren, siret, {category} AS department, abroad, head_office, coalesce(active, false) AS open FROM sirene "
        "QUALIFY row_number() OVER (PARTITION BY siret ORDER BY file DESC, line DESC) = 1",
    )
    return table, given.rows("sirene") - given.number(f"SELECT count(*) FROM {table}")


def activity_columns(activity: str) -> str:
    """SQL of the columns ``activity_…`` of an activity code; all null when it is none of NAF rev. 2.

    The same as :func:`vigie.datasets.activities.activity`.
    """
    # What two branches share is computed once, for rows of neither too: a cast that fails must not be an error.
    division = f"TRY_CAST(left({activity}, 2) AS BIGINT)"
    code = f"({division} * 100 + TRY_CAST(substr(replace({activity}, '.', ''), 3, 2) AS BIGINT))"
    divisions = {
        section: [str(number) for number, its in SECTION_OF_DIVISION.items() if its == section] for section in SECTIONS
    }
    branches = " ".join(
        f"WHEN {division} IN ({', '.join(numbers)}) THEN '{name}'" for name, numbers in divisions.items()
    )
    known = ", ".join(str(number) for number in SECTION_OF_DIVISION)

    def column(name: str, value: str) -> str:
        return (
            f"CASE WHEN regexp_full_match({activity}, '{_ACTIVITY}') THEN "
            f"CASE WHEN {division} IN ({known}) THEN {value} END END AS {name}"
        )

    return ", ".join(
        (
            column("activity_section", f"CASE {branches} END"),
            column("activity_division", division),
            column("activity_group", f"{code} // 10"),
            column("activity_class", code),
            column("activity_letter", f"CAST(ascii(right({activity}, 1)) - 64 AS BIGINT)"),
        )
    )
