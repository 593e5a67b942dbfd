"""Build the distribution and publish what its enclave measures; ``scripts/release`` is the way to call it.

The enclave root is built from the wheel that was just made and from the distributions that ``scripts/setup`` installed by
the hashes in requirements.lock. Each file of those is held against its distribution's own record first, so that nothing
that was changed after it was installed gets into a measurement.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Final

from vigie import enclave_files
from vigie.errors import ConfigError, VigieError
from vigie_hub import enclave_root

ROOT: Final = Path(__file__).resolve().parent.parent
MEASUREMENT: Final = "measurement.json"
SUMS: Final = "SHA256SUMS"
_BUILD: Final = (
    "import sys; from pathlib import Path; from vigie_hub import enclave_root; enclave_root.build(Path(sys.argv[1]))"
)


def build_distribution(output: Path) -> list[Path]:
    """Build wheel and source archive; their bytes depend on the tree alone.

    Raises:
        ConfigError: the build fails, with its last line.
    """
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    before = set(output.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(output)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ConfigError(
            f"the distribution does not build: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
        )
    made = sorted(set(output.iterdir()) - before)
    for path in made:
        path.chmod(0o644)
    return made


def check_installed(lock: str) -> None:
    """Hold the enclave's distributions against the lock and against their own records.

    Raises:
        ConfigError: another version than the locked one, or a file that is not the one that was installed.
    """
    lines = re.findall(r"(?m)^([a-z0-9][a-z0-9.-]*)==(\S+)(?: ; (.+?))? *\\?$", lock)
    locked = {name: version for name, version, marker in lines if enclave_root.applies(marker)}
    for name in enclave_root.distributions():
        distribution = metadata.distribution(name)
        if locked.get(name) != distribution.version:
            raise ConfigError(
                f"{name} {distribution.version} is installed, and the lock names {locked.get(name, 'none')}",
                hint="scripts/setup",
            )
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if file.hash is None or path.suffix == ".pyc":
                continue
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                raise ConfigError(
                    f"{file} is not the file that {name} was installed with", hint="remove .venv; scripts/setup"
                )


def build_root(wheel: Path, folder: Path) -> None:
    """Build an enclave root whose Vigie is the wheel's.

    Raises:
        ConfigError: it cannot be built, with the reason.
    """
    with tempfile.TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        done = subprocess.run(
            [sys.executable, "-P", "-B", "-c", _BUILD, str(folder)],
            cwd=unpacked, env={**os.environ, "PYTHONPATH": unpacked}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise ConfigError(f"no enclave root: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")


def release(output: Path, enclave: Path) -> str:
    """Make everything in ``output`` and the enclave root in ``enclave``; return the measurement in hexadecimal."""
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise ConfigError(f"{output} is not empty", hint="a release is made in an empty folder: remove it first")
    check_installed((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    made = build_distribution(output)
    (wheel,) = (path for path in made if path.suffix == ".whl")
    build_root(wheel, enclave)
    launch = json.loads((enclave / "launch.json").read_bytes())
    listed = enclave_files.of_root(enclave / "root", launch)
    (output / MEASUREMENT).write_bytes(enclave_files.encode(listed))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(output.iterdir())]
    (output / SUMS).write_text("".join(sums), encoding="utf-8")
    return listed.measurement.hex()


def main() -> int:
    """Make a release from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--enclave", type=Path, help="keep the enclave root here")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            enclave = options.enclave or Path(scratch) / "enclave"
            try:
                found = release(options.output.resolve(), enclave.resolve())
            finally:
                if options.enclave is None:
                    enclave_root.remove(enclave / "root")
                    enclave_root.remove(enclave / "root.part")
    except VigieError as error:
        print(f"release: {error}", file=sys.stderr)
        print(f"hint: {error.hint}" if error.hint else "hint: nothing was published", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
