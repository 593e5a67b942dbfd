"""A convention as TOML that its signatories can read: fixed order, one setting a line, a comment where a word helps.

The same content always gives the same text, so that two drafts are compared line by line. What is written here is read
back by :func:`vigie.convention.parse` before anybody signs it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any, Final

Data = Mapping[str, Any]

_TOP: Final = (
    "# A convention of Vigie: the whole agreement. Nothing happens that it does not name.",
    "# Each signatory reads it, then signs this file as it stands: vigie convention sign FILE --keyring …",
    "# After the first signature no character may change. docs/spec/convention.md explains every line.",
)

# Section → what a signatory should know before reading it.
_SECTIONS: Final[Mapping[str, str]] = {
    "convention": "What this agreement is, for how long, and who must sign it.",
    "member": "Who takes part, in which role, with which public keys. Compare the keys with the owner's card.",
    "dataset": "What may be deposited, by whom, and how well an enclave must be protected to open it.",
    "purpose": "Why data is brought together, out of which datasets, and what is computed about a company.",
    "grant": "Who receives which result. A value is shown only if its grant holds every label of its sources.",
    "declassification": "Outputs that all signatories free: they are shown even where their sources may not be.",
    "pseudonyms": "Keys of the pseudonym: nobody makes one without every custodian of the epoch.",
    "custody": "How many custodians' organisations together open the key of the model.",
    "enclave": "What an enclave must be before a partner releases a key to it. Approvals count organisations.",
    "witness": "How many other organisations must have witnessed the journal before keys are released.",
    "retention": "How long things are kept, in months.",
    "disclosure": "Rule for published counts: companies per cell, largest share of one of them, rounding.",
    "perimeter": "Which companies are looked at, who works that out, and who drops the rows of all others.",
}

# Section → its keys in order; what is not named here comes after them.
_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "convention": ("id", "title", "version", "previous", "from", "to", "hub", "origin", "signatories"),
    "member": (
        "name", "organisation", "roles", "population", "signing", "witness", "host", "operator", "log", "certificate",
        "sealing",
    ),
    "dataset": ("name", "schema", "owners", "maximum_rejected", "minimum_level", "grain", "time"),
    "dataset.column": ("name", "type", "unit", "label"),
    "purpose": ("name", "title", "datasets", "required", "perimeter", "target", "outputs", "horizon"),
    "grant": ("name", "recipient", "purpose", "rows", "columns", "labels"),
    "declassification": ("purpose", "output"),
    "pseudonyms": ("buckets",),
    "pseudonyms.epoch": ("number", "from", "to"),
    "pseudonyms.epoch.custodian": ("member", "key"),
    "custody": ("threshold",),
    "enclave": ("approvals", "platforms", "minimum_level", "layers"),
    "enclave.hardware": (
        "name", "platform", "measurements", "registers", "minimum_tcb", "tcb_statuses", "refused_generations", "vlek",
        "maximum_vmpl", "keys", "operator", "machines",
    ),
    "witness": ("release_quorum",),
    "retention": ("lots_months", "results_months"),
    "disclosure": ("minimum_cell", "dominance", "rounding"),
    "perimeter": (
        "owner", "shared_with", "minimum_headcount", "window_months", "recent_months", "excluded_legal_forms",
        "excluded_activities", "head_office_in_france",
    ),
}  # fmt: skip

_REMARKS: Final[Mapping[tuple[str, str], str]] = {
    ("convention", "id"): "never changes",
    ("convention", "origin"): "name of the journal; never changes",
    ("convention", "previous"): "digest of the convention that this one amends; empty for the first",
    ("convention", "to"): "last day, itself included",
    ("member", "population"): "companies that it declares: bounds how many pseudonyms it may ask for",
    ("dataset", "maximum_rejected"): "share of rows that may be wrong before a delivery is refused",
    ("purpose", "required"): "without these partners there is no run",
    ("purpose", "perimeter"): "the companies of this partner are those that are scored",
    ("purpose", "horizon"): "months ahead",
    ("pseudonyms", "buckets"): "a power of two",
    ("enclave", "approvals"): "organisations that must have approved the very code that runs",
    ("enclave", "minimum_level"): "A0 nothing, A1 the hub's own word, A2 and more with hardware",
    ("enclave.hardware", "measurements"): "of the image as its maker publishes it",
    ("enclave.hardware", "registers"): "index=value",
    ("enclave.hardware", "minimum_tcb"): "generation, part, lowest version; other generations are refused",
    ("enclave.hardware", "refused_generations"): "never believed: published attacks",
    ("enclave.hardware", "vlek"): "whether a cloud provider may hold the key that signs",
    ("enclave.hardware", "operator"): "other than the hub's organisation; makes level A4",
    ("perimeter", "minimum_headcount"): "in one month of the window at least",
    ("perimeter", "window_months"): "up to the last month with any headcount",
    ("perimeter", "recent_months"): "a headcount in one of the last so many months; 0: not asked for",
    ("disclosure", "dominance"): "no company may make more than this share of a cell",
}

_WIDTH: Final = 118


def write(data: Data) -> str:
    """Write a convention, given as tomllib would read it, as commented TOML that ends with a line end."""
    lines = list(_TOP)
    for section in _SECTIONS:
        if section in data:
            lines += ["", f"# {_SECTIONS[section]}"]
            lines += _section(section, data[section])
    lines += _unknown(data)
    return "\n".join(lines) + "\n"


def _section(path: str, value: Any) -> list[str]:
    lines: list[str] = []
    if isinstance(value, list):
        for place, item in enumerate(value):
            lines += [*([""] if place else []), f"[[{path}]]", *_body(path, item)]
        return lines
    return [f"[{path}]", *_body(path, value)]


def _body(path: str, table: Data) -> list[str]:
    order = _KEYS.get(path, ())
    keys = [*(key for key in order if key in table), *sorted(key for key in table if key not in order)]
    plain = [key for key in keys if not _is_tables(table[key])]
    lines = [line for key in plain for line in _setting(path, key, table[key])]
    for key in keys:
        if _is_tables(table[key]):
            lines += ["", *_section(f"{path}.{key}", table[key])]
    return lines


def _setting(path: str, key: str, value: Any) -> list[str]:
    remark = _REMARKS.get((path, key))
    line = f"{_key(key)} = {value_text(value)}"
    if isinstance(value, list) and len(line) > _WIDTH:
        return [f"{_key(key)} = [", *(f"  {value_text(item)}," for item in value), "]"]
    return [f"{line}  # {remark}" if remark else line]


def value_text(value: Any) -> str:
    """A value as TOML text: a text, number, truth value, or a list of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a subset of TOML's basic strings, for text without DEL
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(item) for item in value)}]"
    if isinstance(value, date | time):
        return value.isoformat()  # not what a convention wants: written so that reading back says so
    return repr(value)


def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isascii() and bare.isalnum() else json.dumps(key, ensure_ascii=False)


def _is_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(one, Mapping) for one in value))


def _unknown(data: Data) -> Iterable[str]:
    """Sections that no convention has: written all the same, so that reading back refuses them by name."""
    return [line for key in sorted(set(data) - set(_SECTIONS)) for line in ["", *_section(_key(key), data[key])]]
