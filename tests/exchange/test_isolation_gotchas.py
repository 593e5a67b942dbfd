"""Fourteen things that were found by running, each kept from coming back; real processes, in every mode that this host gives."""

import errno
import signal
from typing import Any

import pytest

from support.attestation import FOLDER
from support.sealed import MODES, SealedRoot, run
from vigie import segment
from vigie.hardware import certificates
from vigie_hub.config import Limits
from vigie_hub.enclave.features import connect
from vigie_hub.enclave.sandbox import ENVIRONMENT, calls
from vigie_hub.enclave.sandbox.seccomp import program
from vigie_hub.isolation import witness
from vigie_hub.isolation.launch import BUBBLEWRAP, Mode
from vigie_hub.isolation.starting import Started

both = pytest.mark.parametrize("mode", MODES)
only_c = pytest.mark.parametrize("mode", [mode for mode in MODES if mode == "C"])

DUCKDB = "import duckdb\nduckdb.connect().execute('select 1').fetchall()\ndef probe(): return duckdb.connect().execute('select 42').fetchone()[0]"


@both
def test_1_duckdb_lives_where_it_may_ask_for_its_folder_and_its_control_group(sealed: SealedRoot, mode: Mode) -> None:
    assert run(sealed, mode, DUCKDB).value == 42
    assert "getcwd" in calls.FREE


def test_1_without_the_two_files_of_control_groups_duckdb_ends_the_process(sealed: SealedRoot) -> None:
    outcome = run(sealed, "B", DUCKDB, readable=("bin", "lib"))
    assert outcome.code == -signal.SIGABRT
    assert outcome.states == {}


@both
def test_2_duckdb_takes_no_setting_from_its_host_and_lets_none_be_changed(sealed: SealedRoot, mode: Mode) -> None:
    code = (
        "from vigie_hub.enclave.features import connect\n"
        "connection = connect()\n"
        "def probe(): return connection.execute(\"select current_setting('threads') || current_setting('temp_directory')\")"
        ".fetchone()[0]"
    )
    assert run(sealed, mode, code, imports=["numpy", "pyarrow"]).value == "2"
    changing = code.replace("def probe(): return ", "def probe(): connection.execute('set threads = 9'); return ")
    assert run(sealed, mode, changing).error == "InvalidInputException"
    with connect() as connection, pytest.raises(Exception, match="disabled"):
        connection.execute("select * from read_csv('/etc/passwd')")


@both
def test_3_executable_memory_ends_with_the_warm_up_and_not_before(sealed: SealedRoot, mode: Mode) -> None:
    executable = "import mmap\nmmap.mmap(-1, 4096, prot=7).close()\ndef probe(): mmap.mmap(-1, 4096, prot=7)"
    outcome = run(sealed, mode, executable, imports=["lightgbm"])
    assert outcome.refused == "EPERM"
    assert outcome.states["mdwe"] == "enforced" or outcome.states["mdwe"].startswith("absent")
    without = run(sealed, mode, executable, without=["seccomp"])
    assert without.refused == "EACCES" or without.states["mdwe"].startswith("absent")
    assert run(sealed, mode, executable, without=["seccomp", "mdwe"]).succeeded


@both
def test_4_an_import_after_the_seal_fails_and_the_process_lives(sealed: SealedRoot, mode: Mode) -> None:
    assert run(sealed, mode, "def probe():\n    import wave").error == "ModuleNotFoundError"
    assert run(sealed, mode, "import wave\ndef probe():\n    import wave; return wave.__name__").value == "wave"


@both
def test_5_openmp_does_not_spin(sealed: SealedRoot, mode: Mode) -> None:
    assert sealed.launch.environment == ENVIRONMENT
    assert run(sealed, mode, "def probe(): return os.environ['OMP_WAIT_POLICY']").value == "passive"


@both
def test_6_no_file_grows_not_even_in_memory_and_there_is_no_output(sealed: SealedRoot, mode: Mode) -> None:
    grow = "fd = os.memfd_create('x')\ndef grown():\n    try: os.ftruncate(fd, 10)\n    except OSError as e: return e.errno\nfound = grown()\n"
    assert run(sealed, mode, f"{grow}def probe(): return found").value == errno.EFBIG
    for descriptor in (0, 1, 2):
        assert run(sealed, mode, f"def probe(): return os.write({descriptor}, b'a row')").refused == "EBADF"


@both
def test_7_the_policy_is_the_same_at_each_start_though_the_filter_is_not(sealed: SealedRoot, mode: Mode) -> None:
    nothing = "def probe(): return os.getpid()"
    first, second = run(sealed, mode, nothing), run(sealed, mode, nothing)
    assert first.policy == second.policy != ""
    assert program(calls.X86_64, 1) != program(calls.X86_64, 2)


@both
def test_8_a_thread_that_cannot_follow_is_a_failure(sealed: SealedRoot, mode: Mode) -> None:
    # The kernel answers with the thread's number, which is above 0.
    code = (
        "import threading\n"
        "from vigie_hub.enclave.sandbox import kernel\n"
        "allow = (6).to_bytes(4, 'little') + (0x7fff0000).to_bytes(4, 'little')\n"
        "ready = threading.Event(); end = threading.Event()\n"
        "def other():\n"
        "    buffer = ctypes.create_string_buffer(allow, 8)\n"
        "    head = (1).to_bytes(8, 'little') + ctypes.addressof(buffer).to_bytes(8, 'little')\n"
        "    assert kernel.system_call(317, 1, 0, head) == 0\n"
        "    ready.set(); end.wait()\n"
        "threading.Thread(target=other, daemon=True).start(); ready.wait()\n"
        "def probe(): return 'unsealed'"
    )
    outcome = run(sealed, mode, code)
    assert outcome.states["seccomp"] == "failed: a thread did not follow"


def test_9_what_is_sealed_at_once_is_a_mebibyte() -> None:
    assert segment.CAP == 1024 * 1024


@only_c
def test_10_memory_is_locked_by_a_capability_and_not_by_a_limit(sealed: SealedRoot, mode: Mode) -> None:
    outcome = run(sealed, mode, WAIT, outside=looking(sealed))
    assert outcome.states["memory_lock"] == "enforced"
    assert outcome.witnessed.capabilities == 1 << 14
    assert outcome.witnessed.locked > 0


@only_c
def test_11_a_user_of_its_own_runs_what_only_root_can_reach(sealed: SealedRoot, mode: Mode) -> None:
    # Above the root stands a folder that only root may enter; inside, all of it is readable.
    above = sealed.root.parent
    before = above.stat().st_mode & 0o777
    above.chmod(0o700)
    try:
        outcome = run(sealed, mode, "names = len(os.listdir('lib'))\ndef probe(): return names")
    finally:
        above.chmod(before)
    assert outcome.value > 10
    assert outcome.states["user"] == "enforced"


@only_c
def test_12_seen_from_the_host_it_is_not_root(sealed: SealedRoot, mode: Mode) -> None:
    outcome = run(sealed, mode, WAIT, outside=looking(sealed))
    assert 0 not in outcome.witnessed.uids
    assert "--uid" not in BUBBLEWRAP


@both
def test_13_nobody_inside_can_stop_the_first_process_of_its_namespace(sealed: SealedRoot, mode: Mode) -> None:
    assert run(sealed, mode, "def probe(): return libc.ptrace(16, 1, 0, 0)").killed
    assert Limits().claim_seconds and Limits().silence_seconds  # and a host that waits for one does not wait for ever


def test_14_a_certificate_with_serial_number_0_is_read() -> None:
    (vcek,) = certificates.load((FOLDER / "snp" / "milan_vcek.der").read_bytes())
    assert vcek.serial_number == 0


WAIT = "def probe(): return len(os.read(3, 1))"


def looking(sealed: SealedRoot) -> Any:
    async def look(started: Started) -> witness.Seen:
        pid = started.pid()
        assert pid is not None
        return witness.look(pid, sealed.root, sealed.launch)

    return look
