"""Names of columns as files write them: how two of them are compared, and what is said when one is not there."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "\u00a0": " ", "\u202f": " "})


def plain(name: str) -> str:
    """Return a header's name in the form in which names are compared.

    Upper and lower case, accents written in one or two characters, kinds of apostrophe and repeated spaces do not count.

    >>> plain(" Conc.  banc. COUR.  2017")
    'conc. banc. cour. 2017'
    """
    return " ".join(unicodedata.normalize("NFC", name).translate(_APOSTROPHES).casefold().split())


def nearest(name: str, header: Iterable[str]) -> str | None:
    """Return the name in the header that looks most like the one that is missing, or None when none does."""
    found = get_close_matches(plain(name), [plain(one) for one in header], n=1, cutoff=0.75)
    return found[0] if found else None
