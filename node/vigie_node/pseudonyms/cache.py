"""What a node knows of pseudonyms: an SQLite file that makes month *m+1* cost only the companies that are new.

It never leaves the node, and it is the only place that turns a pseudonym back into a SIREN. The rules it keeps: a
batch's outputs are durable when :meth:`PseudonymCache.store` returns; a pseudonym exists only once every custodian's
output for that company was there; and all pseudonyms of an epoch were made with the same custodians' keys.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import rfc8785

from vigie import pseudonym
from vigie.convention.parts import (
    Epoch,
)
from vigie.datasets.schema import PSEUDONYM, PSEUDONYM_BYTES, SIREN
from vigie.durable import open_database, transaction
from vigie.errors import StateError

Sirens = npt.NDArray[np.int64]
"""SIRENs as numbers, which is how they are stored: nine digits, so leading zeros are known."""

SCHEMA: Final = (
    """
    CREATE TABLE epoch (number INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
    CREATE TABLE pseudonym (
        epoch INTEGER NOT NULL,
        siren INTEGER NOT NULL,
        pseudonym BLOB NOT NULL,
        PRIMARY KEY (epoch, siren)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE output (
        epoch INTEGER NOT NULL,
        custodian TEXT NOT NULL,
        siren INTEGER NOT NULL,
        output BLOB NOT NULL,
        PRIMARY KEY (epoch, custodian, siren)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sequence (
        epoch INTEGER NOT NULL,
        custodian TEXT NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (epoch, custodian)
    ) STRICT, WITHOUT ROWID;
    """,
)


class PseudonymCache:
    """The cache file of one node. Its methods may be called from any thread; each is one transaction at most.

    Args:
        path: the file; made when it is not there.

    Raises:
        StateError: the file is damaged or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = open_database(path, SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def bind(self, convention_id: str, epoch: Epoch) -> None:
        """Remember with which custodians' keys the pseudonyms of an epoch are made.

        Raises:
            StateError: there are pseudonyms of that epoch made with other keys: mixing them would join nothing.
        """
        keys = keys_digest(convention_id, epoch)
        with self._lock, transaction(self._connection) as db:
            (used,) = db.execute(
                "SELECT EXISTS (SELECT 1 FROM pseudonym WHERE epoch = :e) OR EXISTS (SELECT 1 FROM output WHERE epoch = :e)",
                {"e": epoch.number},
            ).fetchone()
            if not used:  # nothing was made with other keys, so these count from now on
                db.execute("INSERT OR REPLACE INTO epoch VALUES (?, ?)", (epoch.number, keys))
            bound = db.execute("SELECT keys FROM epoch WHERE number = ?", (epoch.number,)).fetchone()
        if bound != (keys,):
            raise StateError(
                f"the custodians or their keys changed within pseudonym epoch {epoch.number}",
                hint="the convention must open a new epoch for new keys; the one that it amends had other ones",
            )

    def missing(self, epoch: int, sirens: Sirens) -> Sirens:
        """Those of ``sirens`` that have no pseudonym yet, ascending, each once."""
        return np.setdiff1d(sirens, self._known(epoch))

    def unanswered(self, epoch: int, custodian: str, sirens: Sirens) -> Sirens:
        """Those of ``sirens`` (ascending) for which there is no output of ``custodian``."""
        if not len(sirens):
            return sirens
        with self._lock:
            rows = self._connection.execute(
                "SELECT siren FROM output WHERE epoch = ? AND custodian = ? AND siren BETWEEN ? AND ?",
                (epoch, custodian, int(sirens[0]), int(sirens[-1])),
            ).fetchall()
        return np.setdiff1d(sirens, _first_column(rows))

    def next_sequence(self, epoch: int, custodian: str) -> int:
        """A number that no batch to this custodian in this epoch carried before, durable when it is returned."""
        with self._lock, transaction(self._connection) as db:
            (number,) = db.execute(
                "INSERT INTO sequence VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last",
                (epoch, custodian),
            ).fetchone()
        return int(number)

    def store(self, epoch: int, custodian: str, sirens: Sirens, outputs: Sequence[bytes]) -> None:
        """Keep a custodian's verified outputs; durable when this returns."""
        rows = [(epoch, custodian, int(siren), output) for siren, output in zip(sirens, outputs, strict=True)]
        with self._lock, transaction(self._connection) as db:
            db.executemany("INSERT INTO output VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)

    def combine(self, epoch: int, custodians: Sequence[str]) -> int:
        """Make the pseudonym of every company that all custodians answered for, and drop their outputs.

        Args:
            epoch: its number.
            custodians: all custodians of the epoch, in the convention's order.

        Returns:
            How many pseudonyms were made.
        """
        first, *others = range(len(custodians))
        joins = "".join(
            f" JOIN output o{at} ON o{at}.epoch = o{first}.epoch AND o{at}.siren = o{first}.siren"
            f" AND o{at}.custodian = ?"
            for at in others
        )
        columns = ", ".join(f"o{at}.output" for at in range(len(custodians)))
        # The parts put together are numbers that this function counted; names are bound.
        query = (
            f"SELECT o{first}.siren, {columns} FROM output o{first}{joins}"  # noqa: S608
            f" WHERE o{first}.epoch = ? AND o{first}.custodian = ?"
        )
        with self._lock, transaction(self._connection) as db:
            rows = db.execute(query, (*custodians[1:], epoch, custodians[0])).fetchall()
            made = [(epoch, siren, pseudonym.combine(epoch, outputs)) for siren, *outputs in rows]
            db.executemany("INSERT INTO pseudonym VALUES (?, ?, ?) ON CONFLICT DO NOTHING", made)
            for custodian in custodians:
                db.executemany(
                    "DELETE FROM output WHERE epoch = ? AND custodian = ? AND siren = ?",
                    [(epoch, custodian, siren) for _, siren, _ in made],
                )
        return len(made)

    def table(self, epoch: int) -> pa.Table:
        """Every company that the node knows: ``siren`` (nine digits, text) and ``pseudonym`` (16 bytes), by SIREN."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT siren, pseudonym FROM pseudonym WHERE epoch = ? ORDER BY siren", (epoch,)
            ).fetchall()
        made = pa.array([pseudonym for _, pseudonym in rows], pa.binary(PSEUDONYM_BYTES))
        return pa.table({SIREN: siren_texts(_first_column(rows)), PSEUDONYM: made})

    def reidentify(self, epoch: int, pseudonyms: pa.Array) -> pa.Array:
        """SIREN (text) of each pseudonym (16 bytes), null where this node does not know the company."""
        known = self.table(epoch)
        # Arrow looks up variable-length binary only.
        places = pc.index_in(
            pseudonyms.cast(pa.binary()), value_set=known[PSEUDONYM].combine_chunks().cast(pa.binary())
        )
        return known[SIREN].combine_chunks().take(places)

    def count(self, epoch: int) -> int:
        """How many pseudonyms of an epoch there are."""
        with self._lock:
            (found,) = self._connection.execute("SELECT count(*) FROM pseudonym WHERE epoch = ?", (epoch,)).fetchone()
        return int(found)

    def _known(self, epoch: int) -> Sirens:
        with self._lock:
            rows = self._connection.execute("SELECT siren FROM pseudonym WHERE epoch = ?", (epoch,)).fetchall()
        return _first_column(rows)


def keys_digest(convention_id: str, epoch: Epoch) -> bytes:
    """SHA-256 that names the custodians of an epoch, their keys and their order."""
    keys = [[custodian.member, custodian.key.hex()] for custodian in epoch.custodians]
    return hashlib.sha256(rfc8785.dumps({"convention": convention_id, "epoch": epoch.number, "keys": keys})).digest()


def siren_numbers(sirens: Iterable[str] | pa.Array | pa.ChunkedArray) -> Sirens:
    """SIRENs as ascending numbers, each once.

    Raises:
        ValueError: one is null or not nine ASCII digits (a mistake of the caller, which validates extracts).
    """
    texts = sirens if isinstance(sirens, pa.Array | pa.ChunkedArray) else pa.array(list(sirens), pa.string())
    if len(texts) == 0:
        return np.empty(0, np.int64)
    if texts.null_count or not pc.all(pc.match_substring_regex(texts, "^[0-9]{9}\\z")).as_py():
        raise ValueError("a SIREN is nine digits")
    numbers: Sirens = pc.unique(texts).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.sort(numbers)


def siren_texts(numbers: Sirens) -> pa.Array:
    """The nine digits of each number."""
    return pc.utf8_lpad(pa.array(numbers, pa.int64()).cast(pa.string()), 9, "0")


def _first_column(rows: Sequence[sqlite3.Row | tuple[int, ...]]) -> Sirens:
    return np.fromiter((row[0] for row in rows), np.int64, len(rows))
