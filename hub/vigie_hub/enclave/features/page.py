"""The reference page of the features, made from the catalogue so that it cannot drift from what runs."""

from typing import Final

from vigie.datasets import BUILT_IN
from vigie_hub.enclave.features.accounts import VALID_MONTHS
from vigie_hub.enclave.features.catalogue import DATASETS_READ, catalogue_of
from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import HEADCOUNT_CARRIED, MACROS, MEAN_AT_LEAST, history_sql

_HEAD: Final = """\
# Features

<!-- Made by `python -m vigie_hub.enclave.features`; a test compares. Edit hub/vigie_hub/enclave/features/ instead. -->

What the model sees of a company at the end of a month, in the order of its columns. A feature is used when all its sources
are among the datasets of the purpose; when a partner is away its features stay in their place and are empty. Nothing dated
or available after the end of the month enters. Unknown stays empty, never zero. *Labels* are those of the sources: a
recipient whose grant lacks one of them is not told this feature's contribution or value.

- Headcount is the last figure known, at most {carried} months old. A mean over 12 months is over those known, at least {least}.
- Accounts count from `available_from` for {valid} months, until the next ones replace them.
- A dataset that the convention declares by its columns has one feature for each column but its time: the value in the
  newest row usable by the end of the month; a date is told as its age in months.
- These built-in datasets have no feature; a purpose may list them, and they add nothing: {idle}.
- Whether a company is in proceedings is no feature: it decides who is trained on and who is given a level.

"""


def page() -> str:
    """The page as Markdown: the catalogue by topic, then the SQL that makes a company's history."""
    catalogue = catalogue_of(BUILT_IN.values())
    idle = ", ".join(f"`{name}`" for name in BUILT_IN if name not in DATASETS_READ | {"proceedings"})
    lines = [_HEAD.format(carried=HEADCOUNT_CARRIED, least=MEAN_AT_LEAST, valid=VALID_MONTHS, idle=idle)]
    for topic in Topic:
        lines += [f"## {topic.value}\n\n", "| feature | unit | labels | sources | sens | meaning | SQL |\n"]
        lines += ["|---|---|---|---|---|---|---|\n"]
        lines += [_row(feature, catalogue.labels(feature)) for feature in catalogue.features if feature.topic is topic]
        lines.append("\n")
    statements = [*MACROS, history_sql({}, 24_000, 24_255)]
    lines += [
        "## History\n\nThe table that the expressions above are over, here for the months 2000-01 to 2021-04 (a month is ",
        "year × 12 + month − 1). `company` numbers the companies of the group in the order of their keys.\n\n```sql\n",
        ";\n\n".join(statements),
        ";\n```\n",
    ]
    return "".join(lines)


def _row(feature: Feature, labels: frozenset[str]) -> str:
    cells = (
        f"`{feature.name}`",
        feature.unit,
        ", ".join(sorted(labels)) or "public",
        ", ".join(f"`{source}`" for source in feature.sources),
        feature.french,
        feature.english,
        f"`{feature.sql}`",
    )
    return "| " + " | ".join(cells) + " |\n"
