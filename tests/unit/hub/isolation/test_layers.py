"""Layers on kernels that lack something, and the policy that the evidence binds."""

import hashlib
from collections.abc import Callable

import pytest

from vigie_hub.enclave import sandbox
from vigie_hub.enclave.sandbox import kernel, landlock, process
from vigie_hub.enclave.sandbox.layer import Layer


@pytest.mark.parametrize(
    ("abi", "states"),
    [
        (-38, ("absent: ENOSYS", "absent: ENOSYS", "absent: ENOSYS")),
        (-95, ("absent: ENOTSUP", "absent: ENOTSUP", "absent: ENOTSUP")),
        (2, (None, "absent: the kernel's Landlock is version 2", "absent: the kernel's Landlock is version 2")),
        (4, (None, None, "absent: the kernel's Landlock is version 4")),
    ],
)
def test_an_older_landlock_is_named_layer_by_layer(
    monkeypatch: pytest.MonkeyPatch, abi: int, states: tuple[str | None, ...]
) -> None:
    def answer(number: int, *arguments: object) -> int:
        return abi if arguments[-1] == 1 and number == kernel.LANDLOCK_CREATE_RULESET else -1

    monkeypatch.setattr(kernel, "system_call", answer)
    layers: tuple[Layer, ...] = (landlock.LandlockFiles(()), landlock.LandlockTcp(), landlock.LandlockScopes())
    for layer, state in zip(layers, states, strict=True):
        layer.apply()
        assert layer.verify() == (state or "failed: EPERM")


@pytest.mark.parametrize(("answer", "state"), [(-22, "absent: it needs Linux 6.3"), (-1, "failed: EPERM")])
def test_a_kernel_without_mdwe(monkeypatch: pytest.MonkeyPatch, answer: int, state: str) -> None:
    monkeypatch.setattr(kernel, "prctl", lambda *_: answer)
    layer = process.NoExecutableMemory()
    layer.apply()
    assert layer.verify() == state


def test_memory_that_cannot_be_locked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "mlockall", lambda _: -12)
    layer = process.MemoryLock()
    layer.apply()
    assert layer.verify().startswith("failed: ENOMEM")


def test_the_environment_is_what_the_process_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def started(variables: dict[str, str]) -> process.Environment:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return process.Environment()

    exact = dict(process.ENVIRONMENT)
    cases: list[tuple[dict[str, str], Callable[[str], bool]]] = [
        (exact, lambda state: state == "enforced"),
        ({**exact, "PWD": "/"}, lambda state: state == "enforced"),  # bubblewrap adds it, and it is taken away
        ({**exact, "PWD": "/home"}, lambda state: state == "failed"),
        ({**exact, "LD_PRELOAD": "x"}, lambda state: state == "failed"),
        ({}, lambda state: state == "failed"),
    ]
    for variables, holds in cases:
        layer = started(variables)
        layer.apply()
        assert set(os.environ) <= set(exact)
        assert holds(layer.verify()), variables


def test_the_policy_is_text_one_layer_a_line_and_the_same_in_both_modes() -> None:
    text = sandbox.policy_text()
    lines = text.splitlines()
    assert [line.split(":")[0] for line in lines] == list(sandbox.NAMES)
    assert sandbox.policy_digest() == hashlib.sha256(text.encode()).digest()
    for box in (sandbox.Sandbox("B", 0), sandbox.Sandbox("C", 60_800)):
        assert {layer.policy for layer in (*box.early, *box.sealed)} == set(lines)
        assert [layer.name for layer in (*box.early, *box.sealed)][-1] == "seccomp"


def test_what_was_not_put_on_has_failed() -> None:
    assert set(sandbox.Sandbox("B", 0).states.values()) == {"failed"}
