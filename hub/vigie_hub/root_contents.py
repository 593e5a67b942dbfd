"""The page of contents of an enclave root: what the folders in it are (docs/spec/evidence.md section 4).

It is a file of the root, measured like every other, and made of nothing but what the distributions say of themselves.
"""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from vigie.enclave_files import Contents, Distribution, encode_contents

_LONGEST: Final = 80


def described(distribution: metadata.Distribution, holds: Iterable[str]) -> Distribution:
    """What a distribution is: version, licence, and the top-level names that it takes."""
    return Distribution(distribution.version, licence(distribution), tuple(sorted(holds)))


def licence(distribution: metadata.Distribution) -> str:
    """The name of a distribution's licence: its SPDX expression, else the field or classifier before that existed."""
    said = distribution.metadata
    for field in ("License-Expression", "License"):
        line = str((said.get_all(field) or [""])[0]).strip()
        if line and len(line) <= _LONGEST and "\n" not in line:
            return line
    named = [line.split(" :: ")[-1] for line in said.get_all("Classifier") or () if line.startswith("License :: ")]
    return ", ".join(sorted(named)) or "not stated"


def write_contents(path: Path, distributions: Mapping[str, Distribution]) -> None:
    """Write the page: the distributions, Vigie itself, and the platform that they were built for."""
    ours = metadata.distribution("vigie")
    vigie = Distribution(ours.version, licence(ours), ("scipy", "vigie", "vigie_hub"))
    path.write_bytes(
        encode_contents(
            Contents(
                {re.sub(r"[-_.]+", "-", name).lower(): one for name, one in distributions.items()} | {"vigie": vigie},
                python=platform.python_version(),
                libc=os.confstr("CS_GNU_LIBC_VERSION") or "not stated",
                machine=platform.machine(),
            )
        )
    )
