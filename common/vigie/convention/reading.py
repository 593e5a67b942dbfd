"""From the TOML of a convention to its values (docs/spec/convention.md); then :mod:`.checks` holds the parts together.

The rule kept: every key is read once, with its type and range, and an unknown one is refused, so that nothing that a
signatory reads in the file is without effect.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar, cast

from vigie import statement
from vigie.card import check_certificate
from vigie.convention import hardware
from vigie.convention.checks import check
from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    FREEABLE,
    LEVELS,
    OUTPUTS,
    PLATFORMS,
    ROLES,
    TARGETS,
    Custodian,
    CustodyRule,
    DatasetRule,
    Declassification,
    Disclosure,
    EnclaveRule,
    Epoch,
    Grant,
    Member,
    PerimeterRule,
    Purpose,
    Retention,
    WitnessRule,
)
from vigie.convention.tables import IDENTIFIER, LAYER, NAME, Document, Table
from vigie.datasets import BUILT_IN, LABELS, Column, ColumnType, Dataset, Grain, dataset
from vigie.errors import Malformed, MalformedConvention, MalformedNote, Missing
from vigie.note import COSIGNATURE_V1, ED25519, VerifierKey

SECTIONS: Final = (
    "convention", "member", "dataset", "purpose", "grant", "declassification", "pseudonyms", "custody", "enclave",
    "witness", "retention", "disclosure", "perimeter",
)  # fmt: skip

_USES: Final = {"signing": ED25519, "witness": COSIGNATURE_V1, "host": ED25519, "operator": ED25519}
# A dot in the first part keeps a journal's key name apart from every member's.
_ORIGIN: Final = r"[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._-]+)+"
_LONGEST_ORIGIN: Final = 200
_SEALING_BYTES: Final = 1216
_LEGAL_FORM: Final = r"[0-9]{4}"
_ACTIVITY: Final = r"[0-9]{2}(\.[0-9]{1,2}[A-Z]?)?"
_GRAINS: Final = ("month", "year", "event")
# Statistical secrecy: at least 3 companies in a cell, none above 85 % of it. A convention may only be stricter.
_DOMINANCE: Final = 0.85
_SMALLEST_CELL: Final = 3

T = TypeVar("T")


def parse(text: bytes) -> Convention:
    """Read a convention from its TOML, as signed.

    Raises:
        MalformedConvention: with the section, its line, the key and what is wanted.
    """
    document = Document(text, SECTIONS)
    head = document.section("convention")
    previous = head.text("previous", r"([0-9a-f]{64})?")
    pseudonyms = document.section("pseudonyms")
    custody, enclave = document.section("custody"), document.section("enclave")
    witness, retention = document.section("witness"), document.section("retention")
    convention = Convention(
        text=text,
        digest=statement.digest_of(b"vigie/convention/v1\n" + text),
        id=head.text("id", NAME),
        title=head.text("title"),
        version=head.integer("version", 1, 65_535),
        previous=bytes.fromhex(previous) if previous else None,
        start=head.day("from"),
        end=head.day("to"),
        hub=head.text("hub", NAME),
        origin=_origin(head),
        signatories=head.texts("signatories", NAME, least=1),
        members=_named(document.sections("member"), _member),
        datasets=_named(document.sections("dataset"), _dataset),
        purposes=_named(document.sections("purpose"), _purpose),
        grants=_named(document.sections("grant"), _grant),
        declassifications=_declassifications(document.sections("declassification")),
        buckets=pseudonyms.integer("buckets", 1, 65_536),
        epochs=tuple(_epoch(table) for table in pseudonyms.tables("epoch")),
        custody=CustodyRule(custody.integer("threshold", 1, 64)),
        enclave=EnclaveRule(
            approvals=enclave.integer("approvals", 1, 64),
            platforms=enclave.choices("platforms", PLATFORMS, least=1),
            minimum_level=enclave.choice("minimum_level", LEVELS),
            layers=enclave.texts("layers", LAYER),
            hardware=tuple(map(hardware.read, enclave.tables("hardware"))),
        ),
        witness=WitnessRule(witness.integer("release_quorum", 1, 64)),
        retention=Retention(retention.integer("lots_months", 1, 1200), retention.integer("results_months", 1, 1200)),
        disclosure=_disclosure(document.section("disclosure")),
        perimeter=_perimeter(document.section("perimeter")) if document.has("perimeter") else None,
    )
    for table in (head, pseudonyms, custody, enclave, witness, retention):
        table.done()
    check(convention)
    return convention


def _named(tables: Iterable[Table], read: Callable[[Table, str], T]) -> Mapping[str, T]:
    found: dict[str, T] = {}
    for table in tables:
        name = table.text("name", IDENTIFIER if read is _dataset else NAME)
        if name in found:
            table.refuse("this name is already used above")
        found[name] = read(table, name)
        table.done()
    return MappingProxyType(found)


def _origin(head: Table) -> str:
    origin = head.text("origin", _ORIGIN)
    if len(origin) > _LONGEST_ORIGIN:
        head.refuse(f"'origin' is longer than {_LONGEST_ORIGIN} characters")
    return origin


def _member(table: Table, name: str) -> Member:
    certificate = table.base64("certificate")
    try:
        check_certificate(certificate, name)
    except Malformed as error:
        raise MalformedConvention(f"{table.where}: {error}", hint=error.hint) from error
    return Member(
        name=name,
        organisation=table.text("organisation"),
        roles=frozenset(table.choices("roles", sorted(ROLES))),
        population=table.integer("population", 0, 10**9, default=0),
        certificate=certificate,
        keys=MappingProxyType({use: _key(table, name, use) for use in _USES if table.has(use)}),
        log=table.base64("log", 32) if table.has("log") else None,
        sealing=table.base64("sealing", _SEALING_BYTES) if table.has("sealing") else None,
    )


def _key(table: Table, member: str, use: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(table.text(use))
    except MalformedNote as error:
        raise MalformedConvention(f"{table.where}: '{use}': {error}", hint=error.hint) from error
    if key.name != f"{member}/{use}" or key.type != _USES[use]:
        table.refuse(
            f"'{use}' is not a key called {member}/{use} of the type for that use", hint="copy it from the card"
        )
    return key


def _dataset(table: Table, name: str) -> DatasetRule:
    schema = table.integer("schema", 1, 65_535)
    try:
        definition = _declared(table, name, schema) if table.has("column") else dataset(name, schema)
    except Missing as error:
        raise MalformedConvention(f"{table.where}: {error}", hint=error.hint) from error
    return DatasetRule(
        definition=definition,
        owners=table.texts("owners", NAME, least=1),
        minimum_level=table.choice("minimum_level", LEVELS),
        maximum_rejected=table.number("maximum_rejected", 0.0, 1.0),
    )


def _declared(table: Table, name: str, schema: int) -> Dataset:
    if name in BUILT_IN:
        table.refuse("a built-in dataset cannot be declared anew", hint="give the dataset a name of its own")
    grain: Grain = cast("Grain", table.choice("grain", _GRAINS))
    return Dataset.declared(
        name,
        schema,
        grain,
        table.text("time", IDENTIFIER),
        [_column(column) for column in table.tables("column")],
        available=table.text("available", IDENTIFIER) if table.has("available") else None,
        owner_label=table.choice("owner_label", sorted(LABELS)) if table.has("owner_label") else "",
    )


def _column(table: Table) -> Column:
    column = Column(
        name=table.text("name", IDENTIFIER),
        type=ColumnType(table.choice("type", [str(one) for one in ColumnType])),
        unit=table.text("unit"),
        labels=frozenset(_labels(table)),
        meaning_fr=table.text("meaning_fr") if table.has("meaning_fr") else "",
        meaning_en=table.text("meaning_en") if table.has("meaning_en") else "",
        nullable=table.boolean("nullable", default=True),
        categories=table.texts("categories", IDENTIFIER) if table.has("categories") else (),
        minimum=table.number("minimum", -1e300, 1e300) if table.has("minimum") else None,
        maximum=table.number("maximum", -1e300, 1e300) if table.has("maximum") else None,
        position=table.integer("position", 1, 65_535) if table.has("position") else None,
    )
    table.done()
    return column


def _labels(table: Table) -> tuple[str, ...]:
    """The labels of a column: one text, a list, or an empty list for public data. They must be said."""
    if table.is_list("label"):
        return table.choices("label", sorted(LABELS))
    return (table.choice("label", sorted(LABELS)),)


def _purpose(table: Table, name: str) -> Purpose:
    return Purpose(
        name=name,
        title=table.text("title"),
        datasets=table.texts("datasets", IDENTIFIER, least=1),
        required=table.texts("required", NAME),
        perimeter=table.text("perimeter", NAME),
        target=_target(table),
        outputs=table.choices("outputs", OUTPUTS, least=1),
        horizon=table.integer("horizon", 1, 120),
    )


def _target(table: Table) -> str:
    target = table.text("target")
    if target not in TARGETS and re.fullmatch(rf"{IDENTIFIER}\.{IDENTIFIER}", target) is None:
        table.refuse(
            f"'target' is {target[:80]!r}",
            hint=f"it is one of {', '.join(TARGETS)}, or dataset.column of a dataset that is declared here",
        )
    return target


def _grant(table: Table, name: str) -> Grant:
    return Grant(
        name=name,
        recipient=table.text("recipient", NAME),
        purpose=table.text("purpose", NAME),
        rows=table.choice("rows", ("all", "alerted")),
        columns=table.choices("columns", OUTPUTS, least=1),
        labels=frozenset(table.choices("labels", sorted(LABELS))),
    )


def _declassifications(tables: Iterable[Table]) -> frozenset[Declassification]:
    found: set[Declassification] = set()
    for table in tables:
        one = Declassification(table.text("purpose", NAME), table.choice("output", FREEABLE))
        if one in found:
            table.refuse("the same declassification stands above")
        found.add(one)
        table.done()
    return frozenset(found)


def _epoch(table: Table) -> Epoch:
    number, start, end = table.integer("number", 1, 999_999_999), table.day("from"), table.day("to")
    custodians: list[Custodian] = []
    for one in table.tables("custodian"):
        custodians.append(Custodian(one.text("member", NAME), one.hexadecimal("key", 32)))
        one.done()
    table.done()
    return Epoch(number, start, end, tuple(custodians))


def _disclosure(table: Table) -> Disclosure:
    rule = Disclosure(
        minimum_cell=table.integer("minimum_cell", _SMALLEST_CELL, 10_000),
        dominance=table.number("dominance", 0.01, _DOMINANCE),
        rounding=table.integer("rounding", 1, 10_000),
    )
    table.done()
    return rule


def _perimeter(table: Table) -> PerimeterRule:
    window = table.integer("window_months", 1, 1200)
    rule = PerimeterRule(
        owner=table.text("owner", NAME),
        minimum_headcount=table.integer("minimum_headcount", 1, 1_000_000),
        window_months=window,
        recent_months=table.integer("recent_months", 0, window),
        excluded_legal_forms=table.texts("excluded_legal_forms", _LEGAL_FORM),
        excluded_activities=table.texts("excluded_activities", _ACTIVITY),
        head_office_in_france=table.boolean("head_office_in_france"),
        shared_with=table.texts("shared_with", NAME, least=1),
    )
    table.done()
    return rule
