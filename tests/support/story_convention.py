"""The convention of the exchange that `support.exchange_story` tells, in two versions, and its members' keyrings."""

from base64 import b64encode
from datetime import UTC, datetime
from functools import cache
from typing import Final

from vigie.keyring import Keyring

ID: Final = "signaux-faibles-demo"
ORIGIN: Final = "vigie.demo/exchange-log/2026"
NOW: Final = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)
MEMBERS: Final = {
    "acoss": ("ACOSS", ("partner", "custodian", "witness")),
    "banque-de-france": ("Banque de France", ("partner", "custodian", "witness")),
    "travail": ("ministère du Travail", ("partner", "custodian", "witness")),
    "auditeur": ("Inspection générale des finances", ("auditor",)),
    "hub": ("Banque de France", ("hub",)),
}
DATASETS: Final = {
    "debts": "acoss",
    "headcount": "acoss",
    "ratios": "banque-de-france",
    "short_time_work": "travail",
}


@cache
def rings() -> dict[str, Keyring]:
    """Keyrings of all members, the same at each call."""
    return {name: Keyring.create(name, of, roles, ID, now=NOW) for name, (of, roles) in MEMBERS.items()}


def convention_toml(version: int, previous: bytes | None) -> bytes:
    """The TOML of a version of the convention."""
    signatories = ", ".join(f'"{name}"' for name in MEMBERS if name != "hub")
    lines = [
        "[convention]",
        f'id = "{ID}"',
        'title = "Signaux Faibles"',
        f"version = {version}",
        f'previous = "{previous.hex() if previous else ""}"',
        'from = "2026-01-01"',
        'to = "2028-12-31"',
        'hub = "hub"',
        f'origin = "{ORIGIN}"',
        f"signatories = [{signatories}]",
        *(line for name in MEMBERS for line in _member(name)),
    ]
    for name, owner in DATASETS.items():
        lines += ["[[dataset]]", f'name = "{name}"', "schema = 1", f'owners = ["{owner}"]']
        lines += ["maximum_rejected = 0.01", 'minimum_level = "A1"']
    lines += [
        "[[purpose]]",
        'name = "early-warning"',
        'title = "Early warning"',
        f"datasets = [{', '.join(chr(34) + name + chr(34) for name in DATASETS)}]",
        'required = ["acoss"]',
        'perimeter = "acoss"',
        'target = "failure"',
        'outputs = ["score", "level", "topics", "reasons"]',
        "horizon = 18",
    ]
    for grant, recipient, label in (("acoss-list", "acoss", "urssaf"), ("bdf-list", "banque-de-france", "bdf")):
        lines += ["[[grant]]", f'name = "{grant}"', f'recipient = "{recipient}"', 'purpose = "early-warning"']
        lines += ['rows = "all"', 'columns = ["score", "level", "reasons"]', f'labels = ["{label}"]']
    for output in ("score", "level"):
        lines += ["[[declassification]]", 'purpose = "early-warning"', f'output = "{output}"']
    lines += ["[pseudonyms]", "buckets = 64", "[[pseudonyms.epoch]]", "number = 1"]
    lines += ['from = "2026-01-01"', 'to = "2028-12-31"']
    for name in ("acoss", "banque-de-france", "travail"):
        lines += [
            "[[pseudonyms.epoch.custodian]]",
            f'member = "{name}"',
            f'key = "{rings()[name].card().oprf[1].hex()}"',
        ]
    lines += [
        "[custody]",
        "threshold = 2",
        "[enclave]",
        "approvals = 2",
        'platforms = ["software"]',
        'minimum_level = "A1"',
        'layers = ["environment", "core_dump", "dumpable", "new_privileges", "exit_after_run"]',
        "[witness]",
        "release_quorum = 1",
        "[retention]",
        "lots_months = 60",
        "results_months = 24",
        "[disclosure]",
        "minimum_cell = 3",
        "dominance = 0.85",
        "rounding = 5",
    ]
    return ("\n".join(lines) + "\n").encode()


def _member(name: str) -> list[str]:
    card = rings()[name].card()
    lines = ["[[member]]", f'name = "{name}"', f'organisation = "{card.organisation}"']
    lines += [f"roles = [{', '.join(chr(34) + role + chr(34) for role in card.roles)}]", "population = 400"]
    lines += [f'certificate = "{b64encode(card.certificate).decode()}"']
    lines += [f'{use} = "{key.vkey()}"' for use, key in card.keys.items()]
    if card.sealing is not None:
        lines.append(f'sealing = "{b64encode(card.sealing).decode()}"')
    if card.log is not None:
        lines.append(f'log = "{b64encode(card.log).decode()}"')
    return lines
