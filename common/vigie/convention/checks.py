"""Whether the parts of a convention fit together: references, keys for roles, thresholds that can be reached.

Each check is a sentence that a signatory would agree with. Thresholds count organisations, never members.
"""

from collections.abc import Iterable
from typing import NoReturn

from vigie.convention.hardware import SOFTWARE
from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    Epoch,
    Grant,
    Member,
    PerimeterRule,
    Purpose,
)
from vigie.datasets import BUILT_IN, ColumnType
from vigie.datasets.explanation_requests import EXPLANATION_REQUESTS
from vigie.errors import MalformedConvention, MalformedNote

_KEYS_OF_ROLE = {
    "partner": ("signing",),
    "custodian": ("signing",),
    "witness": ("signing", "witness"),
    "auditor": ("signing", "witness"),
    "hub": ("host", "operator"),
}
_MOST_SHARES = 16  # what SLIP-39 can make
_RESERVED = frozenset({"enclave"})  # the enclave signs as enclave/signing


def check(convention: Convention) -> None:
    """Refuse a convention whose parts do not fit together.

    Raises:
        MalformedConvention: saying which part and why.
    """
    _check_head(convention)
    _check_members(convention)
    _check_datasets(convention)
    for purpose in convention.purposes.values():
        _check_purpose(convention, purpose)
    for grant in convention.grants.values():
        _check_grant(convention, grant)
    for freed in convention.declassifications:
        if freed.purpose not in convention.purposes:
            _refuse("a [[declassification]]", f"there is no purpose {freed.purpose!r}")
        if freed.output not in convention.purposes[freed.purpose].outputs:
            _refuse("a [[declassification]]", f"purpose {freed.purpose!r} has no output {freed.output!r}")
    _check_epochs(convention)
    _check_thresholds(convention)
    _check_hardware(convention)
    if convention.perimeter is not None:
        _check_perimeter(convention, convention.perimeter)


def _check_head(convention: Convention) -> None:
    where = "[convention]"
    if convention.start > convention.end:
        _refuse(where, "'from' is after 'to'")
    if (convention.version == 1) != (convention.previous is None):
        _refuse(where, "version 1 has an empty 'previous', and every later version names the digest that it amends")
    if convention.hub not in convention.members or "hub" not in convention.members[convention.hub].roles:
        _refuse(where, f"'hub' names {convention.hub!r}, which is not a member with the role hub")
    for name in convention.signatories:
        if name not in convention.members:
            _refuse(where, f"the signatory {name!r} is not a member")
        if "signing" not in convention.members[name].keys:
            _refuse(where, f"the signatory {name!r} has no signing key")


def _check_members(convention: Convention) -> None:
    seen: dict[bytes, str] = {}
    for member in convention.members.values():
        where = f"[[member]] '{member.name}'"
        if member.name in _RESERVED:
            _refuse(where, "this name is reserved for the enclave's own key")
        _check_keys_of_roles(convention, member, where)
        publics = [key.public for key in member.keys.values()] + ([member.log] if member.log else [])
        for own in [*publics, member.certificate_sha256, *([member.sealing] if member.sealing else [])]:
            if own in seen:
                _refuse(where, f"one of its keys or its certificate also stands under {seen[own]}")
            seen[own] = member.name
    try:
        convention.log_key()
    except MalformedNote as error:
        raise MalformedConvention(f"[[member]] '{convention.hub}': 'log': {error}", hint=error.hint) from error


def _check_keys_of_roles(convention: Convention, member: Member, where: str) -> None:
    if not member.roles and member.name not in convention.signatories:
        _refuse(where, "it has no role and is not a signatory")
    for role in sorted(member.roles):
        if missing := [use for use in _KEYS_OF_ROLE[role] if use not in member.keys]:
            _refuse(where, f"the role {role} needs a key '{missing[0]}'")
    is_hub = "hub" in member.roles
    if is_hub and (member.name != convention.hub or len(member.roles) > 1):
        _refuse(where, "there is one hub, and it has no other role", hint="its organisation may have a second member")
    for use in ("host", "operator"):
        if use in member.keys and not is_hub:
            _refuse(where, f"only the hub has a key '{use}'")
    if (member.log is not None) != is_hub:
        _refuse(where, "the hub, and only the hub, has a key 'log'")
    if "witness" in member.keys and not member.roles & {"witness", "auditor"}:
        _refuse(where, "it has a witness key but neither the role witness nor auditor")
    if "partner" in member.roles and member.sealing is None:
        _refuse(where, "a partner needs a key 'sealing'")
    if member.roles & {"partner", "custodian"} and member.name not in convention.signatories:
        _refuse(where, "a partner or custodian must be a signatory: what it did not sign does not bind it")
    if member.roles & {"partner", "custodian"} and not member.roles & {"witness", "auditor"}:
        _refuse(
            where,
            "a partner or custodian must be a witness: its node believes only the journal that it witnessed",
            hint="make its card again, with --role witness",
        )


def _check_datasets(convention: Convention) -> None:
    for name, rule in convention.datasets.items():
        for owner in rule.owners:
            _check_partner(convention, owner, f"[[dataset]] '{name}'", "an owner")


def _check_purpose(convention: Convention, purpose: Purpose) -> None:
    where = f"[[purpose]] '{purpose.name}'"
    if unknown := [name for name in purpose.datasets if name not in convention.datasets]:
        _refuse(where, f"there is no dataset {unknown[0]!r} in this convention")
    # Who may only ask tells nothing of companies.
    telling = [name for name in purpose.datasets if name != EXPLANATION_REQUESTS.name]
    owners = {owner for name in telling for owner in convention.datasets[name].owners}
    for member in (*purpose.required, purpose.perimeter):
        _check_partner(convention, member, where, "a required partner or the perimeter")
        if member not in owners:
            _refuse(where, f"{member!r} owns none of the datasets of this purpose")
    if purpose.label is not None:
        _check_label(convention, purpose, where, *purpose.label)


def _check_label(convention: Convention, purpose: Purpose, where: str, dataset: str, column: str) -> None:
    """The labels of a declared target are one partner's word, given as a column that is nothing else."""
    if dataset not in purpose.datasets:
        _refuse(where, f"the target's dataset {dataset!r} is none of this purpose")
    rule = convention.datasets[dataset]
    if dataset in BUILT_IN:
        _refuse(
            where,
            f"the target is a column of the built-in dataset {dataset!r}",
            hint="declare a dataset for the labels, or name a target that is worked out",
        )
    if len(rule.owners) != 1:
        _refuse(where, f"the target's dataset {dataset!r} has {len(rule.owners)} owners; labels are one partner's word")
    if rule.definition.grain == "event":
        _refuse(where, f"the target's dataset {dataset!r} is of events", hint="labels are monthly or yearly")
    if column not in rule.definition.names:
        _refuse(where, f"the target's dataset {dataset!r} has no column {column!r}")
    found = rule.definition.column(column)
    if found.type not in (ColumnType.INTEGER, ColumnType.BOOLEAN) or not found.nullable:
        _refuse(
            where,
            f"the target {dataset}.{column} is not a column of type integer or boolean that may be empty",
            hint="rows without a label are those that are scored",
        )


def _check_grant(convention: Convention, grant: Grant) -> None:
    where = f"[[grant]] '{grant.name}'"
    if grant.purpose not in convention.purposes:
        _refuse(where, f"there is no purpose {grant.purpose!r}")
    if beyond := [one for one in grant.columns if one not in convention.purposes[grant.purpose].outputs]:
        _refuse(where, f"purpose {grant.purpose!r} has no output {beyond[0]!r}")
    _check_partner(convention, grant.recipient, where, "the recipient")


def _check_partner(convention: Convention, name: str, where: str, what: str) -> None:
    if name not in convention.members or "partner" not in convention.members[name].roles:
        _refuse(where, f"{what} is {name!r}, which is not a member with the role partner")


def _check_epochs(convention: Convention) -> None:
    buckets = convention.buckets
    if buckets & (buckets - 1):
        _refuse("[pseudonyms]", f"'buckets' is {buckets}, which is not a power of two")
    if not convention.epochs:
        _refuse("[pseudonyms]", "there is no epoch")
    before: Epoch | None = None
    for epoch in convention.epochs:
        where = f"[[pseudonyms.epoch]] {epoch.number}"
        if epoch.start > epoch.end:
            _refuse(where, "'from' is after 'to'")
        if before is not None and (epoch.number <= before.number or epoch.start <= before.end):
            _refuse(where, "epochs follow each other by number and do not overlap")
        before = epoch
        names = [custodian.member for custodian in epoch.custodians]
        if len(set(names)) != len(names) or len({custodian.key for custodian in epoch.custodians}) != len(names):
            _refuse(where, "a custodian or a key stands twice")
        for name in names:
            if name not in convention.members or "custodian" not in convention.members[name].roles:
                _refuse(where, f"{name!r} is not a member with the role custodian")
        if len(_organisations(convention, names)) < 2:
            _refuse(where, "one organisation alone holds the pseudonym keys", hint="name custodians of at least two")


def _check_thresholds(convention: Convention) -> None:
    signing = _organisations(convention, (one.name for one in convention.members.values() if "signing" in one.keys))
    if convention.enclave.approvals > len(signing):
        _refuse("[enclave]", f"{convention.enclave.approvals} approvals are asked for, of {len(signing)} organisations")
    for epoch in convention.epochs:
        reach = len(_organisations(convention, (custodian.member for custodian in epoch.custodians)))
        if convention.custody.threshold > reach:
            _refuse(
                "[custody]", f"'threshold' is {convention.custody.threshold}, of {reach} organisations of custodians"
            )
    _check_shares(convention)
    for partner in convention.partners():
        reach = len(set(convention.counting_witnesses(partner).values()))
        if convention.witness.release_quorum > reach:
            _refuse(
                "[witness]",
                f"'release_quorum' is {convention.witness.release_quorum}, but for {partner} only {reach} count",
                hint="neither the partner's own organisation nor the hub's counts; name further witnesses",
            )


def _check_shares(convention: Convention) -> None:
    """The joint key of models: its shares are sealed, so that a custodian without a key for that has none."""
    threshold = convention.custody.threshold
    able = _organisations(
        convention,
        (one.name for one in convention.members.values() if "custodian" in one.roles and one.sealing is not None),
    )
    if threshold > len(able):
        _refuse(
            "[custody]",
            f"'threshold' is {threshold}, of {len(able)} organisations of custodians with a key 'sealing'",
            hint="a share of the model's key is sealed to each custodian: make its card again with this version",
        )
    if len(able) > _MOST_SHARES:
        _refuse("[custody]", f"{len(able)} organisations of custodians, of which {_MOST_SHARES} may hold a share")


def _check_hardware(convention: Convention) -> None:
    rule = convention.enclave
    named = [one.platform for one in rule.hardware]
    for platform in rule.platforms:
        if platform != SOFTWARE and platform not in named:
            _refuse(
                "[enclave]",
                f"'platforms' names {platform}, and no [[enclave.hardware]] says what of it is accepted",
                hint="say its measurements or registers, or leave the platform out",
            )
    seen: set[str] = set()
    for one in rule.hardware:
        where = f"[[enclave.hardware]] '{one.name}'"
        if one.platform not in rule.platforms:
            _refuse(where, f"'platforms' does not name {one.platform}")
        if one.name in seen:
            _refuse(where, "this name is already used above")
        if one.operator == convention.organisation_of(convention.hub):
            _refuse(where, "'operator' is the hub's own organisation", hint="name it only where another one operates")
        seen.add(one.name)


def _check_perimeter(convention: Convention, rule: PerimeterRule) -> None:
    where = "[perimeter]"
    _check_partner(convention, rule.owner, where, "the owner")
    for member in rule.shared_with:
        _check_partner(convention, member, where, "a partner that it is shared with")
        if member == rule.owner:
            _refuse(where, f"'shared_with' names {member!r}, its owner", hint="the owner filters by its own anyway")


def _organisations(convention: Convention, members: Iterable[str]) -> set[str]:
    return {convention.organisation_of(name) for name in members}


def _refuse(where: str, what: str, *, hint: str = "") -> NoReturn:
    raise MalformedConvention(f"{where}: {what}", hint=hint)
