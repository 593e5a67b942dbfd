"""The published list of system calls: pinned, counted, and the same on the page."""

from pathlib import Path

import pytest

from vigie_hub.enclave.sandbox import calls, seccomp

PAGE = Path(__file__).parents[4] / "docs" / "spec" / "system-calls.md"

REACHABLE = (
    "brk", "clock_gettime", "clock_nanosleep", "clone", "close", "epoll_wait", "exit", "exit_group", "fstat", "futex",
    "getcwd", "getpid", "getrandom", "gettid", "lseek", "madvise", "mmap", "mprotect", "mremap", "munmap", "prctl",
    "prlimit64", "read", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield",
    "set_robust_list", "sigaltstack", "sysinfo", "tgkill", "write",
)  # fmt: skip


def test_a_call_that_is_added_is_noticed() -> None:
    assert calls.reachable() == REACHABLE
    assert len(REACHABLE) == len(calls.FREE) + len(calls.FILTERED) == 34 <= calls.LIMIT


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == calls.document()


@pytest.mark.parametrize("processor", calls.PROCESSORS.values(), ids=lambda one: str(one.name))
def test_every_processor_has_every_reachable_call_and_no_number_twice(processor: calls.Processor) -> None:
    assert all(processor.number(name) is not None for name in REACHABLE)
    assert len(set(processor.numbers.values())) == len(processor.numbers)
    named = {*REACHABLE, *calls.NO_ENTRY, *calls.NOT_PERMITTED, *calls.NOT_KNOWN}
    assert set(processor.numbers) == {processor.name_of(name) for name in named if processor.number(name) is not None}


def judge(program: bytes, number: int, arguments: tuple[int, ...] = (), processor: int = calls.X86_64.audit) -> int:
    """Run a filter as the kernel would."""
    data = number.to_bytes(4, "little") + processor.to_bytes(4, "little") + bytes(8)
    data += b"".join(value.to_bytes(8, "little") for value in (*arguments, *[0] * 6)[:6])
    place = accumulator = 0
    while True:
        code, yes, no, value = (
            int.from_bytes(program[8 * place : 8 * place + 2], "little"),
            program[8 * place + 2], program[8 * place + 3],
            int.from_bytes(program[8 * place + 4 : 8 * place + 8], "little"),
        )  # fmt: skip
        place += 1
        if code == 0x20:
            accumulator = int.from_bytes(data[value : value + 4], "little")
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            place += yes if holds else no


ALLOW, KILL, EPERM, ENOENT, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050002, 0x00050026


@pytest.mark.parametrize("processor", calls.PROCESSORS.values(), ids=lambda one: str(one.name))
def test_every_number_gets_the_answer_of_the_table_and_every_other_one_ends_the_process(
    processor: calls.Processor,
) -> None:
    program = seccomp.program(processor, 77)
    answers = {processor.number(name): ALLOW for name in calls.FREE}
    answers |= {processor.number(name): ENOENT for name in calls.NO_ENTRY}
    answers |= {processor.number(name): EPERM for name in calls.NOT_PERMITTED}
    answers |= {processor.number(name): ENOSYS for name in calls.NOT_KNOWN}
    filtered = {processor.number(name) for name in calls.FILTERED}
    for number in range(600):
        if number not in filtered:
            assert judge(program, number, (), processor.audit) == answers.get(number, KILL), number
    assert judge(program, 0, (), 0x40000003) == KILL  # the 32-bit gate
    if processor.second_abi:
        assert judge(program, 0x40000000, (), processor.audit) == KILL


@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("clone", (0x3D0F00,), ALLOW), ("clone", (0x11,), KILL), ("clone", (0x10000000 | 0x10000,), KILL),
        ("clone", (0x10000 | 0x20000000,), KILL), ("clone", (0x10000 | 0x80,), KILL),
        ("mmap", (0, 4096, 3), ALLOW), ("mmap", (0, 4096, 4), EPERM), ("mmap", (0, 4096, 7), EPERM),
        ("mprotect", (0, 4096, 1), ALLOW), ("mprotect", (0, 4096, 5), EPERM),
        ("prlimit64", (0, 7, 0), ALLOW), ("prlimit64", (0, 7, 1), EPERM), ("prlimit64", (0, 7, 1 << 32), EPERM),
        ("tgkill", (77, 78, 6), ALLOW), ("tgkill", (78, 78, 6), KILL),
        ("prctl", (15,), ALLOW), ("prctl", (0x53564D41,), ALLOW), ("prctl", (4, 1), EPERM),
    ],
)  # fmt: skip
@pytest.mark.parametrize("processor", calls.PROCESSORS.values(), ids=lambda one: str(one.name))
def test_arguments_are_judged(processor: calls.Processor, call: str, arguments: tuple[int, ...], answer: int) -> None:
    number = processor.number(call)
    assert number is not None
    assert judge(seccomp.program(processor, 77), number, arguments, processor.audit) == answer


def test_a_processor_without_a_table_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from vigie_hub.enclave import sandbox

    assert sandbox.started(["3", "B", "0"]) is not None
    monkeypatch.setattr(calls, "PROCESSORS", {})
    assert sandbox.started(["3", "B", "0"]) is None
    layer = seccomp.Seccomp()
    layer.apply()
    assert layer.verify().startswith("absent: no table of system calls for ")


@pytest.mark.parametrize(
    "arguments", [[], ["3"], ["3", "A", "0"], ["x", "B", "0"], ["3", "B", "-1"], ["3", "C", "0", "1"]]
)
def test_arguments_that_are_not_the_launchers_start_nothing(arguments: list[str]) -> None:
    from vigie_hub.enclave import sandbox

    assert sandbox.started(arguments) is None


def test_a_thread_that_does_not_follow_is_a_failure_and_not_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = seccomp.Seccomp()
    monkeypatch.setattr("vigie_hub.enclave.sandbox.kernel.system_call", lambda *_: 4242)
    layer.apply()
    assert layer.verify() == "failed: a thread did not follow"
