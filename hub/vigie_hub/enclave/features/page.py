"""The reference page of the features, made from the catalogue so that it cannot drift from what runs."""

from typing import Final

from vigie.datasets import BUILT_IN
from vigie_hub.enclave.features.catalogue import DATASETS_READ, catalogue_of
from vigie_hub.enclave.features.company import LOAN_MONTHS
from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import HEADCOUNT_CARRIED, MACROS, RATED, history_sql, monthly_sql
from vigie_hub.enclave.features.sectors import LEAST
from vigie_hub.enclave.features.unavailable import BASE, UNAVAILABLE
from vigie_hub.enclave.features.windows import MEAN_AT_LEAST
from vigie_hub.enclave.features.yearly import ACCOUNTS, RATIOS, TAX_ACCOUNTS

_HEAD: Final = """\
# Features

<!-- Made by `python -m vigie_hub.enclave.features`; a test compares. Edit hub/vigie_hub/enclave/features/ instead. -->

What the model sees of a company at the end of a month: {count} features of the built-in datasets. A feature is used when all
its sources are among the datasets of the purpose; when a partner is away its features stay in their place and are empty. Nothing
dated or available after the end of the month enters, and nothing is filled from later months; a test adds rows dated later to
every dataset and compares every feature. Unknown stays empty, never zero, and so does a quotient whose divisor is 0.

- *Labels* are those of the sources: a recipient whose grant lacks one of them is not told this feature's contribution or value.
- *Window* is the months whose figures enter, the month itself among them. What counts for longer than a month, such as
  accounts, is one figure: a window of 13 is what counted a year earlier.
- *When a source counts* is said below for each dataset. A debt that Urssaf treats after the 20th counts in the next month; the
  partner's node applies that rule.
- Headcount is the last figure known, at most {carried} months old. A mean is over the months known, at least {least}.
- Accounts count from `available_from`, never in the year that they are about, until the next ones replace them and no longer
  than {ratios} months (`ratios`), {accounts} (`accounts`) and {tax} (`tax_accounts`). Of `accounts` of one closing Diane's come
  before the open data's, complete ones before simplified ones.
- The register and the commission's steps count until something newer is known; a stock of loans for {loans} months. The register
  is not carried back: a partner that delivers one stock alone leaves these features empty in the months before it.
- A *place in the sector* is `(value - median) / (third - first quartile)` among the companies of one division of the NAF that
  have a row in the month and are in no proceedings by then. It needs {cell} known values. It is put in by a second pass, when
  all companies have been computed; quartiles are of sorted values, so no order of rows, keys or groups shows.
- A dataset that the convention declares by its columns has one feature for each column but its time and the purpose's target:
  the value in the newest row usable by the end of the month; a date is told as its age in months.
- These built-in datasets have no feature; a purpose may list them, and they add nothing: {idle}.
- Whether a company is in proceedings is no feature: it decides who is trained on and who is given a level.

"""


def page() -> str:
    """The page as Markdown: the catalogue by topic, then the SQL that makes a company's history."""
    catalogue = catalogue_of(BUILT_IN.values())
    idle = ", ".join(f"`{name}`" for name in BUILT_IN if name not in DATASETS_READ | {"proceedings"})
    head = _HEAD.format(
        count=len(catalogue.features),
        carried=HEADCOUNT_CARRIED,
        least=MEAN_AT_LEAST,
        ratios=RATIOS.valid,
        accounts=ACCOUNTS.valid,
        tax=TAX_ACCOUNTS.valid,
        loans=LOAN_MONTHS,
        cell=LEAST,
        idle=idle,
    )
    lines = [head]
    for topic in Topic:
        lines += [f"## {topic.value}\n\n", "| feature | unit | window | labels | sources | sens | meaning | SQL |\n"]
        lines += ["|---|---|---|---|---|---|---|---|\n"]
        lines += [_row(feature, catalogue.labels(feature)) for feature in catalogue.features if feature.topic is topic]
        lines.append("\n")
    lines += ["## When a source counts\n\n| dataset | lag |\n|---|---|\n"]
    lines += [f"| `{name}` | {one.lag} |\n" for name, one in BUILT_IN.items() if name in DATASETS_READ]
    lines += [
        "\n## The programme's variables\n\nThe base variables of its latest public model, and what stands for them here:\n\n"
    ]
    lines += ["| variable | feature |\n|---|---|\n"]
    lines += [f"| {name} | {', '.join(f'`{feature}`' for feature in features)} |\n" for name, features in BASE]
    lines += ["\nNot available, or no feature:\n\n| variable | why |\n|---|---|\n"]
    lines += [f"| {name} | {why} |\n" for name, why in UNAVAILABLE]
    statements = [*MACROS, monthly_sql(24_000, 24_255), RATED, history_sql(BUILT_IN, {})]
    lines += [
        (
            "\n## History\n\nThe tables and the query that the expressions above are over, here for the months 2000-01 to 2021-04 "
            "(a month is\nyear × 12 + month − 1). `company` numbers the companies of the group in the order of their keys; `wanted` "
            "has the months\nthat are trained on or scored.\n\n```sql\n"
        ),
        ";\n\n".join(statements),
        ";\n```\n",
    ]
    return "".join(lines)


def _row(feature: Feature, labels: frozenset[str]) -> str:
    cells = (
        f"`{feature.name}`",
        feature.unit,
        str(feature.window),
        ", ".join(sorted(labels)) or "public",
        ", ".join(f"`{source}`" for source in feature.sources),
        feature.french,
        feature.english,
        f"`{feature.sql}`",
    )
    return "| " + " | ".join(cells) + " |\n"
