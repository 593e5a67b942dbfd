"""Drafts: a first convention from cards and terms, and the next one from the one that it amends.

*Terms* are a convention's TOML without what the cards already say: ``[[member]]`` holds only name and population,
``custodians`` of an epoch is a list of names, ``hub`` and ``signatories`` may be left out, ``version`` and ``previous``
are not there. Nothing is made up: what neither cards nor terms say is refused when the draft is read back.
"""

import base64
import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from vigie.card import USES, Card
from vigie.convention.model import (
    Convention,
)
from vigie.convention.reading import parse
from vigie.convention.writing import write
from vigie.errors import ConfigError, MalformedConvention

Changes = Mapping[str, Any]
"""Dotted path → new value (text, number, list …); an element of an array of tables goes by its name or number."""


def read_terms(text: str) -> dict[str, Any]:
    """Read the TOML of terms; what is in it is judged once the draft is whole.

    Raises:
        MalformedConvention: not TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedConvention(f"the terms are not TOML: {error}"[:300]) from error


def draft(cards: Sequence[Card], terms: Mapping[str, Any]) -> str:
    """Write a first convention.

    Args:
        cards: of every member; the order is kept.
        terms: as :func:`read_terms` gives them.

    Returns:
        Commented TOML that :func:`vigie.convention.parse` accepts.

    Raises:
        ConfigError: the cards are not of this convention, two are of one member, or terms and cards do not fit.
        MalformedConvention: the terms are not those of a convention; the message says which section and key.
    """
    data = copy.deepcopy(dict(terms))
    head = _table(data, "convention")
    for taken in ("version", "previous"):
        if taken in head:
            raise ConfigError(f"the terms say '{taken}', which a first draft sets itself", hint="remove that line")
    by_name = _by_name(cards, str(head.get("id", "")))
    extra = _extra(data, by_name)
    hubs = [name for name, card in by_name.items() if "hub" in card.roles]
    head.setdefault("hub", hubs[0] if len(hubs) == 1 else "")
    head.setdefault("signatories", [name for name in by_name if name != head["hub"]])
    head |= {"version": 1, "previous": ""}
    data["member"] = [member_table(card) | extra.get(name, {}) for name, card in by_name.items()]
    for epoch in _epochs(data):
        epoch["custodian"] = _custodians(epoch, by_name)
    return _checked(data)


def amend(current: Convention, changes: Changes, *, cards: Sequence[Card] = ()) -> str:
    """Write the draft of the convention that amends ``current``: one version up, naming its digest.

    Args:
        current: the newest convention.
        changes: see :data:`Changes`; applied after the cards.
        cards: of new members, and of members whose keys change. Roles and population of a member that is there stay.

    Raises:
        ConfigError: a path that leads nowhere, or a card of another convention.
        MalformedConvention: what results is not a convention.
    """
    data = tomllib.loads(current.text.decode())
    data["convention"] |= {"version": current.version + 1, "previous": current.digest.hex()}
    members: list[dict[str, Any]] = data["member"]
    for name, card in _by_name(cards, current.id).items():
        fresh = member_table(card)
        for place, member in enumerate(members):
            if member["name"] == name:
                members[place] = fresh | {"roles": member["roles"], "population": member.get("population", 0)}
                break
        else:
            members.append(fresh)
    for path, value in changes.items():
        set_value(data, path, value)
    return _checked(data)


def set_value(data: dict[str, Any], path: str, value: Any) -> None:
    """Set one value in TOML data: ``enclave.approvals``, ``dataset.debts.minimum_level``, ``pseudonyms.epoch.1.to``.

    Raises:
        ConfigError: the path leads nowhere.
    """
    *steps, last = path.split(".")
    place: Any = data
    for step in steps:
        place = _step(place, step, path)
    if not isinstance(place, dict):
        raise ConfigError(f"there is no {path!r} to set in this convention", hint="for instance: enclave.approvals")
    place[last] = value


def member_table(card: Card) -> dict[str, Any]:
    """A card as it stands under ``[[member]]``."""
    table: dict[str, Any] = {"name": card.name, "organisation": card.organisation, "roles": list(card.roles)}
    table |= {"population": 0} | {use: card.keys[use].vkey() for use in USES if use in card.keys}
    for key, value in (("certificate", card.certificate), ("sealing", card.sealing), ("log", card.log)):
        if value is not None:
            table[key] = base64.b64encode(value).decode()
    return table


def _checked(data: Mapping[str, Any]) -> str:
    text = write(data)
    try:
        parse(text.encode())
    except UnicodeEncodeError as error:
        raise ConfigError("a value holds characters that are not text") from error
    return text


def _step(place: Any, step: str, path: str) -> Any:
    if isinstance(place, dict) and step in place:
        return place[step]
    if isinstance(place, list):
        for item in place:
            if isinstance(item, dict) and step in (item.get("name"), str(item.get("number")), item.get("member")):
                return item
    raise ConfigError(f"there is no {path!r} in this convention", hint=f"{step!r} is where the path ends")


def _by_name(cards: Sequence[Card], convention_id: str) -> dict[str, Card]:
    found: dict[str, Card] = {}
    for card in cards:
        if card.name in found:
            raise ConfigError(f"there are two cards of {card.name}", hint="give each member's newest card once")
        if card.convention != convention_id:
            raise ConfigError(
                f"the card of {card.name} is for the convention {card.convention!r}, not {convention_id!r}",
                hint="its keys are bound to that id: ask for a keyring made for this convention",
            )
        found[card.name] = card
    return found


def _extra(data: dict[str, Any], cards: Mapping[str, Card]) -> dict[str, dict[str, Any]]:
    """What the terms add to a member: its population and nothing else."""
    extra: dict[str, dict[str, Any]] = {}
    for member in data.pop("member", []):
        name = member.get("name") if isinstance(member, dict) else None
        if not isinstance(name, str) or name not in cards:
            raise ConfigError(f"the terms name a member {str(name)[:63]!r} of which there is no card")
        if beyond := sorted(set(member) - {"name", "population"}):
            raise ConfigError(f"the terms say {beyond[0]!r} of member {name}, which its card says", hint="remove it")
        extra[name] = {key: value for key, value in member.items() if key != "name"}
    return extra


def _custodians(epoch: dict[str, Any], cards: Mapping[str, Card]) -> list[dict[str, str]]:
    number, found = epoch.get("number"), []
    for name in epoch.pop("custodians", []):
        key = cards[name].oprf.get(number) if name in cards and isinstance(number, int) else None
        if key is None:
            raise ConfigError(
                f"no card holds a pseudonym key of {str(name)[:63]} for epoch {number}",
                hint="the member must have the role custodian, and a card for that epoch",
            )
        found.append({"member": name, "key": key.hex()})
    return found


def _epochs(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    pseudonyms = data.get("pseudonyms", {})
    epochs = pseudonyms.get("epoch", []) if isinstance(pseudonyms, dict) else []
    return [epoch for epoch in epochs if isinstance(epoch, dict)] if isinstance(epochs, list) else []


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise MalformedConvention(f"the section [{name}] is missing in the terms, or is not one table")
    return value
