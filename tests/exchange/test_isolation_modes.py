"""Enclaves as the hub starts them: canaries, what is seen from outside, and a whole consolidation in each mode."""

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.exchange import PERIOD, Exchange, make_data
from support.sealed import MODES, UIDS, SealedRoot, choice_of, run
from vigie import bodies, statement
from vigie.audit import folder as exports
from vigie.bodies import Evidence
from vigie.errors import Refused
from vigie_hub.enclave import sandbox
from vigie_hub.enclave.canary import PROBES
from vigie_hub.isolation import canary, witness
from vigie_hub.isolation.launch import Mode
from vigie_hub.isolation.starting import Started
from vigie_hub.launcher import Launcher

both = pytest.mark.parametrize("mode", MODES)
WAIT = "def probe(): return len(os.read(3, 1))"


@both
def test_every_canary_dies_by_the_seal(shared_enclave: Path, sealed: SealedRoot, mode: Mode) -> None:
    launcher = Launcher(shared_enclave, shared_enclave / f"memory-{mode}", isolation=mode)
    asyncio.run(canary.check(launcher.launch, sealed.root, choice_of(sealed, mode), UIDS, tuple(PROBES)))


@both
def test_a_canary_that_lives_on_stops_the_start(shared_enclave: Path, sealed: SealedRoot, mode: Mode) -> None:
    launcher = Launcher(shared_enclave, shared_enclave / f"memory-{mode}", isolation=mode)
    with pytest.raises(Refused, match="a canary ended in another way") as refused:
        asyncio.run(canary.check(launcher.launch, sealed.root, choice_of(sealed, mode), UIDS, ("",)))
    assert refused.value.claim == "isolation"


@both
@pytest.mark.parametrize("layer", ["seccomp", "new_privileges", "dumpable", "core_dump", "descriptors", "limits"])
def test_the_outside_witness_sees_a_layer_that_was_skipped(sealed: SealedRoot, mode: Mode, layer: str) -> None:
    async def look(started: Started) -> tuple[witness.Seen, int]:
        pid = started.pid()
        assert pid is not None
        return witness.look(pid, sealed.root, sealed.launch), started.uid

    # Without dumpable the limit of core dumps sets the flag too, and without new_privileges nobody may set a filter.
    without = {"dumpable": ["dumpable", "core_dump"], "new_privileges": ["new_privileges"]}.get(layer, [layer])
    if layer == "new_privileges":
        without += ["landlock", "landlock_tcp", "landlock_scopes", "seccomp", "no_writable_path"]
    outcome = run(sealed, mode, WAIT, without=without, outside=look)
    seen, uid = outcome.witnessed
    claim = dict.fromkeys(sandbox.NAMES, "not enforced") | {layer: "enforced"}
    found = witness.disagreements(seen, claim, mode, uid, sealed.launch)
    # The kernel clears dumpable whenever a process takes another user, and of root's own processes /proc says nothing.
    kernel_does_it = layer == "dumpable" and os.geteuid() == 0
    bubblewrap_does_it = layer == "new_privileges" and mode == "C"
    nobody_sees_it = layer == "descriptors" and os.geteuid() != 0  # of a process that may not be dumped
    if kernel_does_it or bubblewrap_does_it or nobody_sees_it:
        assert found == []
    else:
        assert [line.split(":")[0] for line in found] == [layer]
    assert outcome.states[layer].startswith("failed")
    whole = run(sealed, mode, WAIT, outside=look)
    assert witness.disagreements(whole.witnessed[0], whole.states, mode, whole.witnessed[1], sealed.launch) == []


@both
def test_an_enclave_dies_with_whoever_started_it(sealed: SealedRoot, mode: Mode) -> None:
    """The launcher is a process of its own, ended by SIGKILL: it cannot tell anybody."""
    ours, theirs = os.pipe()
    launcher = os.fork()
    if launcher == 0:

        async def tell(started: Started) -> None:
            os.write(theirs, str(started.pid()).encode())
            await asyncio.sleep(600)

        try:
            run(sealed, mode, WAIT, outside=tell)
        finally:
            os._exit(0)
    os.close(theirs)
    pid = int(os.read(ours, 20))
    descriptor = os.pidfd_open(pid)
    os.kill(launcher, signal.SIGKILL)
    os.waitpid(launcher, 0)
    ended, _, _ = select.select([descriptor], [], [], 20)
    assert ended
    os.close(descriptor)
    os.close(ours)


@pytest.fixture(params=MODES)
def exchange(request: pytest.FixtureRequest, shared_enclave: Path, tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange.make(tmp_path / "story", make_data(tmp_path / "data"), shared_enclave)
    made.members()
    made.agree(800)
    measurement = made.set_up()
    config = made.hub / "hub.toml"
    config.write_text(config.read_text().replace("[limits]", f'isolation = "{request.param}"\n\n[limits]'))
    made.mode = request.param
    made.start()
    made.nodes()
    made.approve(measurement)
    made.attend()
    try:
        yield made
    finally:
        made.stop()


def test_a_consolidation_runs_sealed_and_says_in_which_mode(exchange: Exchange) -> None:
    exchange.send_all()
    exchange.consolidate(PERIOD)
    exchange.audit()
    entries = [statement.parse(raw) for raw in exports.read(exchange.folder / "audit").entries]
    (said,) = [bodies.read(entry, Evidence) for entry in entries if entry.kind == "evidence"]
    assert said.host["mode"] == exchange.mode
    assert all(said.layers[name].startswith("enforced") for name in ("seccomp", "landlock", "no_writable_path"))
    assert said.layers["network"].startswith("enforced" if exchange.mode == "C" else "not enforced")
    assert exchange.result("acoss").num_rows > 0
