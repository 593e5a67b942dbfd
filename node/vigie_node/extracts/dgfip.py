"""Files of the DGFiP, separated by ``|``: yearly declarations in two halves, ratios made from them, judgments.

No fixture of them is public; columns are those that sf_datalake reads (``yearly_dgfip_dataset.py``,
``extract_judgment_DGFiP_data.py``; reference section 1.15). Everything is under fiscal secrecy: it may feed a score and
may not be shown, so the owner's label is ``fiscal``. A file has hundreds of other columns, which are not read.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, COMPACT_DATE, ISO_DATE_OR_TIME, LOOSE_SIREN, NUMBER, YEAR, Cell
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

FISCAL: Final = "fiscal"
"""Label of everything that comes from the DGFiP."""

_DIALECT: Final = Dialect("|")
_EXERCISE: Final = (
    Field("siren", ("siren",), LOOSE_SIREN, nullable=False),
    Field("opening_date", ("date_deb_exercice",), ISO_DATE_OR_TIME, nullable=False),
    Field("closing_date", ("date_fin_exercice",), ISO_DATE_OR_TIME, nullable=False),
)
_DECLARATION: Final = (
    *_EXERCISE,
    Field("obligation", ("no_ocfi",), CODE, nullable=False, meaning="number of the fiscal obligation"),
    Field("declared_year", ("annee_exercice",), YEAR, nullable=False),
)
_BACKWARDS: Final = Check("closing_before_opening", "closing_date", "closing_date < opening_date")


def _figures(*named: tuple[str, str]) -> tuple[Field, ...]:
    return tuple(Field(name, (header,), NUMBER, upstream=header, lenient=True) for name, header in named)


def _kind(
    name: str,
    title: str,
    titre: str,
    fields: tuple[Field, ...],
    *,
    rejects: tuple[Check, ...] = (),
    skips: tuple[Check, ...] = (),
    time: str = "closing_date",
) -> Kind:
    return Kind(
        name=name,
        title=title,
        titre=titre,
        owner=FISCAL,
        delivered_as=(f"*{name}*.csv", f"*{name}*.txt"),
        layouts=(Layout("2022", _DIALECT, fields),),
        company="siren",
        time=time,
        rejects=rejects,
        skips=skips,
    )


INDMAP: Final = _kind(
    "declarations_indmap",
    "tax returns: balance sheet and profit and loss",
    "déclarations fiscales : bilan et compte de résultat",
    (
        *_DECLARATION,
        *_figures(
            ("wages", "d_cr_250_expl_salaire"),
            ("social_charges", "d_cr_252_expl_ch_soc"),
            ("other_staff_costs", "d_cr_260_expl_dt_syndic"),
            ("staff", "d_dvs_376_nbr_pers"),
            ("equity", "d_passf_142_k_propres"),
            ("share_capital", "d_passf_120_k"),
            ("goods_stock", "d_actf_stk_march_net"),
            ("material_stock", "d_actf_stk_mat1e_net"),
            ("investment_rate", "rto_invest_ca"),
            ("financial_solidity", "rto_af_solidite_financiere"),
        ),
    ),
    rejects=(_BACKWARDS,),
)
AF: Final = _kind(
    "declarations_af",
    "tax returns: the financial analysis made from them",
    "déclarations fiscales : analyse financière",
    (
        *_DECLARATION,
        *_figures(
            ("turnover", "mnt_af_ca"),
            ("value_added", "mnt_af_sig_va_ret"),
            ("ebitda", "mnt_af_sig_ebe_ret"),
            ("net_debt", "mnt_af_endettement_net"),
            ("operating_current_assets", "mnt_af_bfonc_actif_circ_expl"),
            ("other_current_assets", "mnt_af_bfonc_actif_circ_h_expl"),
            ("operating_current_liabilities", "mnt_af_bfonc_passif_circ_expl"),
            ("other_current_liabilities", "mnt_af_bfonc_passif_circ_h_expl"),
            ("cash", "mnt_af_bfonc_tresorerie"),
            ("working_capital_need", "mnt_af_bfonc_bfr"),
            ("supplier_payment_days", "nbr_af_jours_reglt_fourn"),
            ("customer_payment_days", "nbr_af_jours_creance_cli"),
            ("term_debt_ratio", "rto_af_endettement_a_terme"),
            ("economic_return", "rto_af_rent_eco"),
        ),
    ),
    rejects=(_BACKWARDS,),
)
RATIOS_DIRCO: Final = _kind(
    "ratios_dirco",
    "ratios made from tax returns",
    "ratios tirés des déclarations fiscales",
    (*_EXERCISE, *_figures(("self_financing_capacity", "rto_6"), ("quick_ratio", "rto_56"))),
    rejects=(_BACKWARDS,),
)

_JUDGMENTS_KEPT: Final = ("1", "2", "3", "4", "8")
"""Liquidation of assets and judicial settlement (before 1986), receivership, liquidation, safeguard."""
_PLANS: Final = ("5", "6", "7", "A")
"""Plans that follow a judgment: of recovery, of sale, of continuation, of safeguard."""


def _list(codes: tuple[str, ...]) -> str:
    return ", ".join(f"'{code}'" for code in codes)


_JUDGMENT_CODE: Final = Cell(
    "judgment_code", "VARCHAR", lambda x: f"CASE WHEN regexp_full_match({x}, '[0-9A-Z]') THEN {x} END", "one character"
)

JUDGMENTS: Final = _kind(
    "judgments",
    "judgments of commercial courts",
    "jugements des tribunaux de commerce",
    (
        Field("siren", ("siren",), LOOSE_SIREN, nullable=False),
        Field("judged", ("djug",), COMPACT_DATE, nullable=False, upstream="djug"),
        Field("nature", ("najug",), _JUDGMENT_CODE, nullable=False, upstream="najug"),
    ),
    skips=(
        Check("plan_after_a_judgment", "nature", f"nature IN ({_list(_PLANS)})"),
        Check("unknown_code", "nature", f"nature NOT IN ({_list(_JUDGMENTS_KEPT)})"),
    ),
    time="judged",
)

DGFIP: Final = (AF, INDMAP, JUDGMENTS, RATIOS_DIRCO)
"""All kinds of the DGFiP."""

KEY: Final = ("siren", "opening_date", "closing_date", "obligation", "declared_year")
"""What the two halves of a declaration are joined on, as their owner recommends."""


def declarations_sql(*, ratios: bool) -> str:
    """SQL of the declarations put together: the typed tables of both halves, and of the ratios when they were read.

    The real system keeps a declaration only when it has both halves; here one that lacks a half keeps the other, and
    what it does not have is null. A year declared several times still has several rows.

    Args:
        ratios: the table of ``ratios_dirco`` is there; one row of it for each year, the first with fewest nulls.
    """
    halves = f'"{INDMAP.name}" i FULL JOIN "{AF.name}" a USING ({", ".join(KEY)})'
    figures = [f"i.{one.name}" for one in INDMAP.layouts[0].fields[len(KEY) :]]
    figures += [f"a.{one.name}" for one in AF.layouts[0].fields[len(KEY) :]]
    extra = [one.name for one in RATIOS_DIRCO.layouts[0].fields[len(_EXERCISE) :]]
    if not ratios:
        figures += [f"CAST(NULL AS DOUBLE) AS {name}" for name in extra]
        return f"SELECT {', '.join((*KEY, *figures))} FROM {halves}"
    figures += [f"r.{name}" for name in extra]
    keys = [one.name for one in _EXERCISE]
    nulls = " + ".join(f"CAST({name} IS NULL AS INTEGER)" for name in extra)
    once = (
        f'SELECT * FROM "{RATIOS_DIRCO.name}" QUALIFY row_number() OVER '
        f"(PARTITION BY {', '.join(keys)} ORDER BY {nulls}, file, line) = 1"
    )
    return f"SELECT {', '.join((*KEY, *figures))} FROM {halves} LEFT JOIN ({once}) r USING ({', '.join(keys)})"
