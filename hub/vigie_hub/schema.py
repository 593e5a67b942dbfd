"""The hub's one SQLite database, as the list of its migrations.

One database holds the journal, the deposits, the orders and the results, so that "committed", "journaled" and "may be
receipted" become true in the same transaction, and a killed hub has no half-done state to mend. The rule it keeps: a
migration that was released is never edited; the next one is appended.
"""

from typing import Final

MIGRATIONS: Final = (
    """
    -- The journal. An entry is a whole statement; `subject` is what its kind is looked up by (see journal.py).
    CREATE TABLE entry (
        place INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        subject BLOB,
        raw BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entry_by_subject ON entry (kind, subject);
    -- Hashes of complete subtrees (vigie.journal.merkle): written once, never changed.
    CREATE TABLE node (level INTEGER, place INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, place))
        STRICT, WITHOUT ROWID;
    -- Every checkpoint that was signed, with the log's own line only.
    CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note BLOB NOT NULL) STRICT;
    CREATE TABLE cosignature (size INTEGER, name TEXT, key_id BLOB, line TEXT NOT NULL,
        PRIMARY KEY (size, name, key_id)) STRICT, WITHOUT ROWID;

    -- Deposits. An open one has entry NULL. `pack` is the file, below lots/, that holds its segments.
    CREATE TABLE deposit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        partner TEXT NOT NULL,
        lot BLOB NOT NULL,
        digest BLOB NOT NULL,
        statement BLOB NOT NULL,
        dataset TEXT NOT NULL,
        delivery TEXT NOT NULL,
        base BLOB,
        epoch INTEGER NOT NULL,
        rows_class INTEGER NOT NULL,
        segment_root BLOB NOT NULL,
        segments INTEGER NOT NULL,
        parts TEXT NOT NULL,
        pack TEXT NOT NULL,
        entry INTEGER REFERENCES entry (place),
        current INTEGER NOT NULL DEFAULT 0,
        touched TEXT NOT NULL,
        UNIQUE (partner, lot)
    ) STRICT;
    CREATE INDEX deposit_by_digest ON deposit (digest);
    CREATE INDEX deposit_current ON deposit (partner, dataset, current);
    -- `start` and `size` are NULL until the segment is durable in the pack.
    CREATE TABLE segment (
        deposit INTEGER NOT NULL REFERENCES deposit (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        id BLOB NOT NULL,
        start INTEGER,
        size INTEGER,
        PRIMARY KEY (deposit, place)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX segment_by_id ON segment (deposit, id);

    -- Orders and what became of them. `stage` is one of the stable words of WatchResponse.
    CREATE TABLE consolidation (
        digest BLOB PRIMARY KEY,
        statement BLOB NOT NULL,
        stage TEXT NOT NULL,
        message TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        run BLOB,
        place INTEGER NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE result (
        run BLOB NOT NULL,
        grant_name TEXT NOT NULL,
        recipient TEXT NOT NULL,
        evidence BLOB NOT NULL,
        consolidation BLOB NOT NULL,
        pack TEXT NOT NULL,
        PRIMARY KEY (run, grant_name)
    ) STRICT;
    CREATE INDEX result_by_recipient ON result (recipient);
    CREATE TABLE result_part (
        run BLOB NOT NULL,
        grant_name TEXT NOT NULL,
        part INTEGER NOT NULL,
        id BLOB NOT NULL,
        start INTEGER NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (run, grant_name, part)
    ) STRICT, WITHOUT ROWID;

    -- Refusals of a member in an hour that were only counted, because the hour had its sixty entries.
    CREATE TABLE refusal_hour (
        member TEXT NOT NULL,
        hour TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (member, hour)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Perimeters. An open one has entry NULL; at most one is current in an epoch. `pack` is the file, below perimeters/,
    -- that holds the parts of all recipients; it is gone once another perimeter has taken the place of this one.
    CREATE TABLE perimeter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL,
        perimeter BLOB NOT NULL,
        digest BLOB NOT NULL,
        statement BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        period TEXT NOT NULL,
        pack TEXT NOT NULL,
        entry INTEGER REFERENCES entry (place),
        current INTEGER NOT NULL DEFAULT 0,
        UNIQUE (owner, perimeter)
    ) STRICT;
    CREATE UNIQUE INDEX perimeter_current ON perimeter (epoch) WHERE current = 1;
    -- `start` and `size` are NULL until the part is durable in the pack.
    CREATE TABLE perimeter_part (
        perimeter INTEGER NOT NULL REFERENCES perimeter (id) ON DELETE CASCADE,
        recipient TEXT NOT NULL,
        part INTEGER NOT NULL,
        id BLOB NOT NULL,
        start INTEGER,
        size INTEGER,
        PRIMARY KEY (perimeter, recipient, part)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX perimeter_part_by_id ON perimeter_part (perimeter, id);
    """,
    """
    -- Statements about joint keys, the shares sealed to their custodians, and the models that lie under them. `pack` is the
    -- file, below models/, that holds a model's sealed parts.
    CREATE TABLE joint_key (
        digest BLOB PRIMARY KEY,
        key_id BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        place INTEGER NOT NULL UNIQUE
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE joint_share (
        joint BLOB NOT NULL REFERENCES joint_key (digest),
        custodian TEXT NOT NULL,
        blob BLOB NOT NULL,
        confirmed TEXT,
        PRIMARY KEY (joint, custodian)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE model (
        run BLOB PRIMARY KEY,
        digest BLOB NOT NULL,
        key_id BLOB NOT NULL,
        pack TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE model_part (
        run BLOB NOT NULL REFERENCES model (run),
        part INTEGER NOT NULL,
        start INTEGER NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (run, part)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Epochs that a partner withdrew, with each of its `erasure` statements (their digests).
    CREATE TABLE withdrawal (
        partner TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        erasure BLOB NOT NULL,
        PRIMARY KEY (partner, epoch, erasure)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Quote bundles that evidence in the journal names by digest: written with the entry, never removed.
    CREATE TABLE quote (digest BLOB PRIMARY KEY, bundle BLOB NOT NULL) STRICT;
    """,
)
