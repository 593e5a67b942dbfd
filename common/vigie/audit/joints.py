"""Joint keys and the models under them (docs/spec/joint.md): one chain of statements for each key, one key an epoch.

Who signed a ``joint`` statement, and that its custodians, numbers and threshold are its convention's, is judged with every
other statement.
"""

from vigie.audit.orders import refer
from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Evidence, Joint, Order, Release, Run
from vigie.convention import Convention

_TRAIN = "train"


def check_joints(journal: Journal, findings: Findings) -> None:
    """Make the check ``joint-keys``."""
    newest: dict[bytes, Entry[Joint]] = {}
    drawn: dict[int, int] = {}
    named = {entry.body.joint: entry for entry in reversed(journal.of(Run)) if entry.body.joint is not None}
    for entry in journal.of(Joint):
        findings.looked("joint-keys")
        said = entry.body
        evidence = refer(journal, entry, said.evidence, Evidence, findings)
        refer(journal, entry, said.order, Order, findings)
        if evidence is not None and evidence.body.order != said.order:
            findings.fail("joint-keys", "the evidence of this joint key is for another order", entry.index)
        _check_place(entry, newest, drawn, findings)
        run = named.get(entry.digest)
        if run is None or run.body.evidence != said.evidence or run.index < entry.index:
            findings.fail("joint-keys", "no run of the enclave that made this joint key names it after it", entry.index)
        newest[said.key] = entry
        numbers = {share.index for share in said.shares}
        how = "drawn" if said.previous is None else "shared anew"
        holders = ", ".join(share.custodian for share in said.shares)
        findings.tell(
            entry.index, "joint",
            f"the models' key {said.key.hex()[:8]} was {how}: any {said.threshold} of {len(numbers)} organisations "
            f"open it ({holders})",
        )  # fmt: skip
    trained: dict[str, list[Entry[Run]]] = {}
    for run in journal.of(Run):
        order = journal.find(run.body.order, Order)
        if order is not None:
            _check_model(journal, run, order, trained, findings)
        if run.body.sealed is not None:
            trained.setdefault(run.body.model.hex(), []).append(run)


def _check_place(
    entry: Entry[Joint], newest: dict[bytes, Entry[Joint]], drawn: dict[int, int], findings: Findings
) -> None:
    said = entry.body
    before = newest.get(said.key)
    if said.previous is None:
        first = drawn.setdefault(said.epoch, entry.index)
        if first != entry.index:
            findings.fail("joint-keys", f"the joint key of epoch {said.epoch} was drawn in entry {first}", entry.index)
    elif before is None or said.previous != before.digest:
        what = f"the one of entry {before.index}" if before else "no statement of this key before it"
        findings.fail("joint-keys", f"this joint key must follow {what}", entry.index)
    if before is not None and (said.public, said.epoch) != (before.body.public, before.body.epoch):
        findings.fail("joint-keys", f"this is another key than that of entry {before.index}", entry.index)


def _check_model(
    journal: Journal, run: Entry[Run], order: Entry[Order], trained: dict[str, list[Entry[Run]]], findings: Findings
) -> None:
    """Hold what a run says of its model against its order, the runs before it and the releases."""
    said = run.body
    key = None if said.joint is None else refer(journal, run, said.joint, Joint, findings)
    if order.body.model == _TRAIN:
        if said.shares:
            findings.fail("joint-keys", "a run that trained used shares of the joint key", run.index)
        return
    findings.looked("joint-keys")
    if said.sealed is not None:
        findings.fail("joint-keys", "the run sealed a model, and its order named one", run.index)
    if said.model.hex() != order.body.model:
        findings.fail("joint-keys", "the run scored with another model than its order names", run.index)
    origins = [journal.find(one.body.order, Order) for one in trained.get(order.body.model, [])]
    if not any(one is not None and one.body.purpose == order.body.purpose for one in origins):
        findings.fail("joint-keys", "no run before this one trained the model for this purpose", run.index)
    used = key
    if key is not None and key.body.evidence == said.evidence and key.body.previous is not None:
        used = journal.find(key.body.previous, Joint)  # shares of before, which this run made anew
    if used is None:
        findings.fail("joint-keys", "the run does not say whose shares it used", run.index)
    else:
        _check_shares(journal, run, used, findings)


def _check_shares(journal: Journal, run: Entry[Run], used: Entry[Joint], findings: Findings) -> None:
    said = run.body
    numbers = {share.custodian: share.index for share in used.body.shares}
    for name, word in said.shares.items():
        if name not in numbers:
            findings.fail("joint-keys", f"the run lists a share of {name}, who has none", run.index)
        gave = _gave(journal, said, name)
        if (word != "none") > gave:
            findings.fail("joint-keys", f"the run used a share of {name}, whose release gave none", run.index)
    sound = {numbers[name] for name, word in said.shares.items() if word == "sound" and name in numbers}
    if len(sound) < used.body.threshold:
        findings.fail(
            "joint-keys",
            f"the run used shares of {len(sound)} organisations, of which {used.body.threshold} are needed",
            run.index,
        )
    if wrong := sorted(name for name, word in said.shares.items() if word == "wrong"):
        findings.note("joint-keys", f"the share of {', '.join(wrong)} was wrong in the run of entry {run.index}")


def _gave(journal: Journal, run: Run, name: str) -> bool:
    claimed = run.releases.get(name, "none")
    release = None if claimed == "none" else journal.find(bytes.fromhex(claimed), Release)
    return release is not None and release.body.share is not None


def share_givers(convention: Convention | None, order: Order) -> frozenset[str]:
    """Members that may answer an order without a lot in it: custodians, where it names a model."""
    if convention is None or order.model == _TRAIN:
        return frozenset()
    return frozenset(name for name, member in convention.members.items() if "custodian" in member.roles)
