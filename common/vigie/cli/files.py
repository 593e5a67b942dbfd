"""Files that a person names on a command line, read so that a wrong one is told by its name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vigie import statement
from vigie.errors import InputError, Malformed, MalformedConvention, Missing, Refused, VigieError
from vigie.keyring import Keyring
from vigie.note import Signer

_LONGEST: Final = 262_144


def read_file(path: Path, what: str) -> bytes:
    """Read a small file.

    Args:
        path: as the person gave it.
        what: what it should be, for the message.

    Raises:
        InputError: it cannot be read, or is far too long to be that.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", hint="check the name and the permissions"
        ) from error
    if len(data) > _LONGEST:
        raise InputError(f"{path} is too long to be {what}", hint="is it another file?")
    return data


def read_conventions(paths: Sequence[Path] | None) -> list[bytes]:
    """Read signed conventions; that they are signed by everybody is for the chain to say.

    Raises:
        InputError: a file cannot be read.
        MalformedConvention: a file is no signed convention; the message names it.
    """
    found = []
    for path in paths or ():
        data = read_file(path, "a convention")
        with named(
            path, "a signed convention", "give the file that every signatory signed, for instance convention.note"
        ):
            statement.parse(data, kind="convention")
        found.append(data)
    return found


def signing_key(keyring: Keyring) -> Signer:
    """The key with which a member signs what it agrees to.

    Raises:
        Refused: this member has none: the hub agrees to nothing.
    """
    try:
        return keyring.signer("signing")
    except Missing as error:
        raise Refused(
            "signatory", expected="the keyring of a signatory", found=f"that of {keyring.member}",
            hint="give the keyring of a member that signs the convention",
        ) from error  # fmt: skip


@contextmanager
def hinted(hint: str) -> Iterator[None]:
    """Give an error of the block that has no hint this one."""
    try:
        yield
    except VigieError as error:
        error.hint = error.hint or hint
        raise


@contextmanager
def named(path: Path, what: str, hint: str) -> Iterator[None]:
    """Name the file in an error about its content.

    Raises:
        MalformedConvention: instead of any :class:`vigie.errors.Malformed` of the block.
    """
    try:
        yield
    except Malformed as error:
        raise MalformedConvention(f"{path} is not {what}: {error}", hint=error.hint or hint) from error
