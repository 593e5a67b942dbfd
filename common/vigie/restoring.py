"""A keyring made again from the words of its seeds, held against the card that was published (docs/spec/words.md).

The rule kept here: a keyring comes back whole and proved, or not at all. Every key on the card must follow from the words.
The seeds of epochs have no public half; the words themselves say whose they are. The TLS key has no seed and is new, so the
convention must be told the new certificate.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from vigie import words
from vigie.card import Card
from vigie.certificate import issue_certificate
from vigie.errors import Missing, Refused
from vigie.keyring import Keyring

_EPOCH: Final = re.compile(r"epoch/([1-9][0-9]{0,8})")


def restore_keyring(card: Card, shares: Sequence[Sequence[str]], *, now: datetime) -> Keyring:
    """Make a member's keyring again from words.

    Args:
        card: the member's card, as it was published.
        shares: the words of each share, in any order, see :func:`vigie.words.parse_sheets`.
        now: aware UTC time; the new certificate counts from it.

    Raises:
        Malformed: a share that was mistyped or does not fit the others; the message says which.
        Missing: shares of a seed, or all of a key on the card, are missing.
        Refused: words of another member, of another keyring than the card's, or not ours.
    """
    restored = words.restore(shares, card.name, card.convention)
    places = {one.use: one.shares for one in restored}
    try:
        return keyring_of(card, {one.use: one.seed for one in restored}, now=now)
    except _Wrong as error:
        named = "; ".join(f"{use} in {words.named(places[use])}" for use in error.uses)
        raise Refused("words", expected=error.expected, found=f"others: {named}", hint=error.hint) from error


class _Wrong(Refused):
    """Seeds of these uses are not the card's."""

    def __init__(self, uses: Sequence[str], *, expected: str, hint: str) -> None:
        super().__init__("seed", expected=expected, found=f"others for {', '.join(uses)}", hint=hint)
        self.uses = tuple(uses)


def keyring_of(card: Card, seeds: Mapping[str, bytes], *, now: datetime) -> Keyring:
    """Make a keyring of seeds, which must be those of the card.

    Args:
        card: the member's card, as it was published.
        seeds: by use; several ``epoch/<e>`` or none.
        now: aware UTC time; the certificate counts from it, and the words are recorded as kept.

    Raises:
        Missing: the card lists a key whose seed is not here.
        Refused: a seed is not the one of the card, or is of a use that the card does not know.
    """
    epochs = {int(match[1]) for use in seeds if (match := _EPOCH.fullmatch(use))}
    _check_uses(card, seeds)
    key, certificate = issue_certificate(card.name, now)
    made = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    keyring = Keyring(
        {
            "member": card.name,
            "organisation": card.organisation,
            "roles": list(card.roles),
            "convention": card.convention,
            "created": made,
            "epochs": sorted(epochs | set(card.oprf)),
            "seeds": {use: seed.hex() for use, seed in seeds.items()},
            "tls": {"key": key.decode(), "certificate": certificate.decode()},
        }
    )
    keyring.record_words(tuple(seeds), now)
    _check_public(card, keyring.card())
    return keyring


def _check_uses(card: Card, seeds: Mapping[str, bytes]) -> None:
    """Refuse seeds that are not those, neither fewer nor more, that the card calls for."""
    known = set(card.keys)
    known |= {use for use, key in (("sealing", card.sealing), ("log", card.log), ("oprf", card.oprf)) if key}
    if missing := sorted(known - set(seeds)):
        raise Missing(
            f"the words of {', '.join(missing)} are missing",
            hint="a keyring is restored whole: add the sheets of these seeds",
        )
    epochs = {use for use in seeds if _EPOCH.fullmatch(use)} if "partner" in card.roles else set()
    if foreign := sorted(set(seeds) - known - epochs):
        raise _Wrong(
            foreign, expected=f"seeds of the keys on the card of {card.name} only",
            hint="is this the card that was made with these keys?",
        )  # fmt: skip


def _check_public(card: Card, found: Card) -> None:
    """Refuse seeds whose public halves are not those on the card."""
    wrong = [use for use in card.keys if found.keys[use] != card.keys[use]]
    wrong += ["sealing"] if found.sealing != card.sealing else []
    wrong += ["log"] if found.log != card.log else []
    wrong += ["oprf"] if any(found.oprf.get(epoch) != key for epoch, key in card.oprf.items()) else []
    if wrong:
        raise _Wrong(
            wrong, expected=f"the seeds of the keys on the card of {card.name}",
            hint="the words are of an earlier keyring, or the card is: find the sheets and the card of one day",
        )  # fmt: skip
