"""The libraries of the enclave used against it: each can open files or sockets by itself where nothing stops it.

They are imported when an attempt is registered by :func:`register`, before the seal, as the enclave does.
"""

import importlib
import tempfile
from collections.abc import Callable
from os import getpid
from pathlib import Path

from .attempt import Unavailable, probe


def register() -> None:
    """Import the libraries and register what can be tried with them."""
    import duckdb
    import lightgbm
    import numpy as np
    import pyarrow as pa
    from pyarrow import ipc

    connection = duckdb.connect(":memory:")
    connection.execute("SELECT 1").fetchall()
    tiny = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 1},
        lightgbm.Dataset(np.arange(40.0).reshape(20, 2), np.arange(20) % 2),
        num_boost_round=1,
    )
    table = pa.table({"a": [1]})

    def add(name: str, attempt: Callable[[str], object]) -> None:
        def whole() -> None:
            path = f"/tmp/vigie-probe-{getpid()}-{name}"
            try:
                attempt(path)
            except (OSError, duckdb.Error, lightgbm.basic.LightGBMError, pa.ArrowException, ImportError) as error:
                raise Unavailable(type(error).__name__) from error
            finally:
                if Path(path).exists():  # inside, asking is answered, and removing would end the process
                    Path(path).unlink()

        probe(name)(whole)

    add(
        "duckdb_reads_a_file",
        lambda path: _some(connection.execute("SELECT size FROM read_blob('/etc/passwd')").fetchall()),
    )
    add("duckdb_writes_a_file", lambda path: connection.execute(f"COPY (SELECT 1) TO '{path}'"))
    add("duckdb_attaches_a_database", lambda path: connection.execute(f"ATTACH '{path}' AS other"))
    add("duckdb_lists_files", lambda path: _some(connection.execute("SELECT * FROM glob('/etc/*')").fetchall()))
    add("arrow_reads_a_file", lambda path: pa.OSFile("/etc/passwd").read())
    add("arrow_writes_a_file", lambda path: ipc.new_file(path, table.schema).write_table(table))
    add("arrow_lists_files", lambda path: _some(_listed_by_arrow()))
    add("numpy_writes_a_file", lambda path: np.save(path + ".npy", np.zeros(1)))
    add("numpy_maps_a_file", lambda path: np.memmap("/etc/passwd", mode="r"))
    add("lightgbm_writes_its_model", tiny.save_model)
    add("import_of_another_module", lambda path: importlib.import_module("wsgiref.simple_server"))
    add("python_writes_a_file", lambda path: Path(path).write_bytes(b"x"))
    add("python_makes_a_temporary_file", lambda path: tempfile.TemporaryFile().close())
    add("python_lists_a_folder", lambda path: _some(list(Path("/etc").iterdir())))


def _some(found: object) -> None:
    if not found:
        raise Unavailable("nothing")


def _listed_by_arrow() -> object:
    fs = importlib.import_module("pyarrow.fs")
    return fs.LocalFileSystem().get_file_info(fs.FileSelector("/etc"))
