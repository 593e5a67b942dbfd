"""Seeds of a keyring as words on paper, and back: SLIP-39 (docs/spec/words.md).

One seed is one set of words, so that a sheet can be replaced, kept elsewhere or destroyed alone: whoever withdraws an
epoch burns that epoch's sheet. A set is one share, or n shares of which any k restore the seed. The rules kept here: a
share says nothing about the seed until k of them are together; what comes out of a set says itself whose seed it is
and of which use; and no message quotes a word.
"""

import hashlib
import itertools
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shamir_mnemonic import EncryptedMasterSecret, MnemonicError, Share, decode_mnemonics, recover_ems, split_ems
from shamir_mnemonic.wordlist import WORDLIST

from vigie.errors import InputError, Malformed, Missing, Refused

VERSION: Final = 1
"""Version of the content of a set of words."""

MOST_SHARES: Final = 16
"""What SLIP-39 allows."""

_CODES: Final = {
    "signing": 1, "witness": 2, "sealing": 3, "oprf": 4, "epoch": 5, "log": 6, "host": 7, "operator": 8,
}  # fmt: skip
_USES: Final = {code: use for use, code in _CODES.items()}
_EPOCH: Final = re.compile(r"epoch/([1-9][0-9]{0,8})")
_LENGTHS: Final = {"sealing": 96}
_HEADER: Final = 10
_OWNER: Final = 4
_IDENTIFIERS: Final = 1 << 15
# The words are not stretched: there is no passphrase that could be guessed. 10,000 rounds are the least of SLIP-39.
_EXPONENT: Final = 0
_SHORTEST_PREFIX: Final = 4
_LONGEST_SHARE: Final = 200
_LONGEST_TEXT: Final = 262_144
_NUMBER: Final = re.compile(r"[0-9]{1,3}[.:)]?")
_BY_PREFIX: Final = {word[:_SHORTEST_PREFIX]: word for word in WORDLIST}


@dataclass(frozen=True)
class Sheet:
    """One share of one seed, as it is written on one sheet of paper.

    Attributes:
        use: the use of the seed: ``signing``, ``epoch/1`` …
        number: of the share, from 1.
        of: how many shares there are.
        threshold: how many of them restore the seed.
        words: what is written.
    """

    use: str
    number: int
    of: int
    threshold: int
    words: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Restored:
    """A seed that was restored, and the places (from 1) of the shares, in the order in which they were given."""

    use: str
    seed: bytes = field(repr=False)
    shares: tuple[int, ...]


def write_down(
    member: str, convention: str, seeds: Iterable[tuple[str, bytes]], *, threshold: int = 1, shares: int = 1
) -> list[Sheet]:
    """Turn seeds into words.

    Args:
        member: name of the member.
        convention: id of the convention that the keys are for.
        seeds: use and seed of each, in the order of the sheets.
        threshold: how many shares restore a seed; from 2 when there are several.
        shares: how many shares each seed gets, at most 16.

    Returns:
        The sheets, those of one seed next to one another.

    Raises:
        InputError: a threshold that the number of shares does not allow.
    """
    if not 1 <= shares <= MOST_SHARES or not 1 <= threshold <= shares or (threshold == 1 and shares > 1):
        raise InputError(
            f"{threshold} of {shares} shares cannot be made",
            hint="one share, or up to 16 of which two or more are needed; of copies that each suffice, make copies",
        )
    listed = list(seeds)
    # Sets are told apart by these when they are typed in again.
    identifiers = secrets.SystemRandom().sample(range(_IDENTIFIERS), len(listed))
    sheets = []
    for (use, seed), identifier in zip(listed, identifiers, strict=True):
        content = _header(use, member, convention) + seed
        sealed = EncryptedMasterSecret.from_master_secret(content, b"", identifier, True, _EXPONENT)
        (made,) = split_ems(1, [(threshold, shares)], sealed)
        sheets += [
            Sheet(use, number, shares, threshold, tuple(share.words())) for number, share in enumerate(made, start=1)
        ]
    return sheets


def format_sheet(sheet: Sheet, title: str, *, columns: int = 4) -> str:
    """The text of a sheet: a title after ``#``, then lines of words, each begun with the number of its first one."""
    share = f"share {sheet.number} of {sheet.of}, any {sheet.threshold} restore it" if sheet.of > 1 else "one share"
    lines = [f"# {title}: {sheet.use}, {share}, {len(sheet.words)} words"]
    for at in range(0, len(sheet.words), columns):
        row = "".join(f"{word:<10}" for word in sheet.words[at : at + columns])
        lines.append(f"{at + 1:>3}  {row.rstrip()}")
    return "\n".join(lines) + "\n"


def parse_sheets(text: str, *, first: int = 1) -> list[tuple[str, ...]]:
    """Read shares as they were printed or typed: shares stand apart by an empty line or a title.

    Numbers and lines that begin with ``#`` are passed over; capitals do not count; the first four letters of a word
    are enough.

    Args:
        text: the shares.
        first: number of the first share, for messages.

    Raises:
        Malformed: a word that is not in the list; the message says where, and does not quote it.
        InputError: far too much text.
    """
    if len(text) > _LONGEST_TEXT:
        raise InputError("this is far more than the words of a keyring", hint="give the shares only")
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            found.append([])
            continue
        found[-1] += [token for token in line.split() if _NUMBER.fullmatch(token) is None]
    blocks = [block for block in found if block]
    return [tuple(_known(block, place)) for place, block in enumerate(blocks, start=first)]


def recover(mnemonics: Sequence[str], passphrase: bytes = b"") -> bytes:
    """Restore the secret of exactly the shares that it needs, by SLIP-39 and nothing more.

    Raises:
        Malformed: the shares are not valid, not of one set, or too few or too many.
    """
    if not mnemonics:
        raise Malformed("there are no words")
    try:
        return bytes(recover_ems(decode_mnemonics(mnemonics)).decrypt(passphrase))
    except (MnemonicError, ValueError):
        # The library's own message quotes words.
        raise Malformed("these shares are not one valid set of SLIP-39") from None


def restore(shares: Sequence[Sequence[str]], member: str, convention: str) -> list[Restored]:
    """Restore every seed of which enough shares are here.

    Args:
        shares: the words of each share, in any order; more shares than needed are compared with the others.
        member: whose words they must be.
        convention: for which convention.

    Raises:
        Malformed: a share that was mistyped, or is of another set than the others; the message says which one.
        Missing: a set that lacks shares; the message says which shares it has.
        Refused: the words are somebody else's, or no words of this program.
    """
    if not shares:
        raise Missing("there are no words", hint="give the shares, an empty line between two")
    parsed = [parse_share(words, place) for place, words in enumerate(shares, start=1)]
    sets: dict[tuple[object, ...], list[tuple[int, Share]]] = {}
    for place, share in enumerate(parsed, start=1):
        sets.setdefault((share.group_parameters(), len(share.value)), []).append((place, share))
    found: dict[str, Restored] = {}
    for members in sets.values():
        for places, content in _contents(members):
            use, seed = _opened(content, places, member, convention)
            if use in found and found[use].seed != seed:
                raise Malformed(
                    f"{named(found[use].shares)} and {named(places)} are both for {use}, and differ",
                    hint="keep only the sheets that were written last",
                )
            found.setdefault(use, Restored(use, seed, places))
    return list(found.values())


def parse_share(words: Sequence[str], place: int) -> Share:
    """Read one share and check its words against their checksum.

    Args:
        words: all of them, in order.
        place: which share it is, for messages.

    Raises:
        Malformed: words are missing or wrong.
        Refused: SLIP-39 words that this program did not write.
    """
    checked = _known(words, place)
    try:
        share = Share.from_mnemonic(" ".join(checked))
    except (MnemonicError, ValueError):
        raise Malformed(
            f"share {place} has {len(checked)} words, of which at least one is missing, wrong or in the wrong place",
            hint="compare it with the paper word by word; nothing was written",
        ) from None
    if share.group_count != 1 or not share.extendable or share.iteration_exponent != _EXPONENT:
        raise Refused(
            "words", expected="words that `vigie member words` wrote", found=f"others in share {place}",
            hint="these may be the words of a wallet or another program",
        )  # fmt: skip
    return share


def _contents(members: Sequence[tuple[int, Share]]) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """The contents of shares that say that they belong together, each with the places of its shares."""
    left = list(members)
    threshold = left[0][1].member_threshold
    while left:
        distinct = {share: place for place, share in reversed(left)}
        if len(distinct) < threshold:
            raise Missing(
                f"{named([place for place, _ in left])} of a set that needs {threshold} different shares: "
                f"{threshold - len(distinct)} more must be given",
                hint="fetch another share of the same seed; or leave these out, if the seed is not wanted",
            )
        chosen, content = _first_that_fits(list(distinct), threshold, left)
        fitting = [one for one in left if _fits(chosen, one[1], content)]
        yield tuple(place for place, _ in fitting), content
        rest = [one for one in left if one not in fitting]
        if rest and len({share for _, share in rest}) < threshold:
            raise Malformed(
                f"{named([place for place, _ in rest])} does not fit the others of its set",
                hint="it was written at another time, or is not genuine: leave it out, the others are enough",
            )
        left = rest


def _first_that_fits(
    shares: Sequence[Share], threshold: int, left: Sequence[tuple[int, Share]]
) -> tuple[tuple[Share, ...], bytes]:
    for chosen in itertools.combinations(shares, threshold):
        if (content := _combined(chosen)) is not None:
            return chosen, content
    spare = len(shares) > threshold
    raise Malformed(
        f"{named([place for place, _ in left])} do not fit together: at least one is not of this set",
        hint="the sheets of another day or seed may be among them"
        if spare
        else "with one share more than needed, the wrong one can be named",
    )


def _fits(chosen: Sequence[Share], share: Share, content: bytes) -> bool:
    """Whether a share is on the same polynomial: it restores the same content in the place of another one."""
    if share in chosen:
        return True
    if any(share.index == other.index for other in chosen):
        return False
    return _combined((*chosen[:-1], share)) == content


def _combined(shares: Sequence[Share]) -> bytes | None:
    try:
        return recover([share.mnemonic() for share in shares])
    except Malformed:
        return None


def _header(use: str, member: str, convention: str) -> bytes:
    epoch = _EPOCH.fullmatch(use)
    number = int(epoch[1]) if epoch else 0
    return bytes([VERSION, _CODES["epoch" if epoch else use]]) + number.to_bytes(4, "big") + _owner(member, convention)


def _owner(member: str, convention: str) -> bytes:
    return hashlib.sha256(f"vigie/words/v1\n{convention}\n{member}\n".encode()).digest()[:_OWNER]


def _opened(content: bytes, places: Sequence[int], member: str, convention: str) -> tuple[str, bytes]:
    header, seed = content[:_HEADER], content[_HEADER:]
    number = int.from_bytes(header[2:6], "big")
    use = _USES.get(header[1], "") if header[0] == VERSION else ""
    if use == "epoch":
        use = f"epoch/{number}" if _EPOCH.fullmatch(f"epoch/{number}") else ""
    elif number:
        use = ""
    if not use or len(seed) != _LENGTHS.get(use, 32):
        raise Refused(
            "words", expected="words that `vigie member words` wrote", found=f"another content in {named(places)}",
            hint="these may be the words of a wallet, or of a newer version",
        )  # fmt: skip
    if header[6:] != _owner(member, convention):
        raise Refused(
            "words", expected=f"the words of {member} for {convention}",
            found=f"those of another member or convention for {use} in {named(places)}",
            hint="is this the right envelope, and the right card?",
        )  # fmt: skip
    return use, seed


def _known(words: Sequence[str], place: int) -> list[str]:
    found = []
    if len(words) > _LONGEST_SHARE:
        raise Malformed(f"share {place} has {len(words)} words", hint="put an empty line between two shares")
    for number, word in enumerate(words, start=1):
        lower = word.lower()
        full = _BY_PREFIX.get(lower[:_SHORTEST_PREFIX], "")
        if len(lower) < _SHORTEST_PREFIX or not full.startswith(lower):
            raise Malformed(
                f"share {place}, word {number} is not in the list of words",
                hint="compare it with the paper; the first four letters of a word are enough",
            )
        found.append(full)
    return found


def named(places: Sequence[int]) -> str:
    """Shares by their places, for a message: ``shares 1, 2 and 4``."""
    if len(places) == 1:
        return f"share {places[0]}"
    return f"shares {', '.join(map(str, places[:-1]))} and {places[-1]}"
