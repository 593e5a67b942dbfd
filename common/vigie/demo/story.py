"""One complete exchange as a story of commands: members, convention, hub, nodes, deposits, run, results, audit.

Every step is a command that an operator could type; the demonstration prints each, and tests and chaos runs use the same
steps. A story lives in one folder and leaves everything there to explore.
"""

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from vigie.clock import utc_now
from vigie.demo.programs import CommandFailed, Daemon, run
from vigie.errors import Unavailable

CONVENTION = "signaux-faibles-demo"
PARTNERS: Mapping[str, str] = {
    "acoss": "ACOSS",
    "banque-de-france": "Banque de France",
    "travail": "ministère du Travail",
}
AUDITOR = "auditeur"
HUB = "hub"
OWNER = "acoss"
"""The partner that works the perimeter out."""
KEEPER = "banque-de-france"
"""The partner that deposits the register of companies."""
REGISTER = "public"
"""Folder of the register of companies, which anybody may have."""
PURPOSE = "early-warning"
GRANTS: Mapping[str, str] = {partner: f"{partner}-list" for partner in PARTNERS}


@dataclass
class Story:
    """An exchange in a folder.

    Attributes:
        folder: where everything is made.
        data: folder with one folder of extracts for each partner: canonical files, or files as delivered with those of
            the register of companies in a folder ``public``.
        echo: told each command that is run.
        say: told what happens, in a sentence.
        enclave_root: an enclave root that is there already, so that tests need not copy one for each story.
        overrides: what to change in the terms of the convention: dotted key to TOML value.
    """

    folder: Path
    data: Path
    echo: Callable[[str], None]
    say: Callable[[str], None]
    enclave_root: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    passphrases: dict[str, str] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)
    address: str = ""

    @property
    def delivered(self) -> bool:
        """The extracts are files as partners deliver them; the perimeter is worked out of them, and all filter by it."""
        return (self.data / REGISTER).is_dir()

    # -- places ------------------------------------------------------------------------------------------------------

    @property
    def convention(self) -> Path:
        """The signed convention."""
        return self.folder / "convention.note"

    @property
    def hub(self) -> Path:
        """The hub's folder."""
        return self.folder / "hub"

    def member(self, name: str) -> Path:
        """Folder with a member's keyring and card."""
        return self.folder / "members" / name

    def node(self, name: str) -> Path:
        """A partner's node folder."""
        return self.folder / "nodes" / name

    def secret(self, name: str) -> dict[str, str]:
        """Environment that opens a member's keyring."""
        return {"VIGIE_PASSPHRASE": self.passphrases[name]}

    def run(self, argv: Sequence[str], member: str | None = None) -> str:
        """Run a command as a member and return its standard output."""
        return run(argv, extra=self.secret(member) if member else None, echo=self.echo)

    # -- steps -------------------------------------------------------------------------------------------------------

    def members(self) -> None:
        """Make each member's keyring and card, each in its own folder under its own passphrase."""
        roles = {
            **{name: ["partner", "custodian", "witness"] for name in PARTNERS},
            AUDITOR: ["auditor", "witness"],
            HUB: ["hub"],
        }
        organisations = {**PARTNERS, AUDITOR: "Inspection générale des finances", HUB: "Banque de France"}
        for name in roles:
            self.passphrases[name] = secrets.token_urlsafe(18)

        def make(name: str) -> None:
            flags = [flag for role in roles[name] for flag in ("--role", role)]
            self.run(
                [
                    "vigie", "member", "init", name, "--organisation", organisations[name], *flags,
                    "--convention", CONVENTION, "--folder", str(self.member(name)), "--cost", "interactive",
                ],
                name,
            )  # fmt: skip

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(make, roles))

    def agree(self, population: int) -> None:
        """Draft the convention from the cards and the terms, and have every signatory sign it."""
        terms = self.folder / "terms.toml"
        terms.write_text(self.terms(population))
        cards = [
            flag for name in (*PARTNERS, AUDITOR, HUB) for flag in ("--card", str(self.member(name) / "card.toml"))
        ]
        self.run(["vigie", "convention", "draft", "--terms", str(terms), *cards, "--output", str(self.convention)])
        for name in (*PARTNERS, AUDITOR):
            keys = ["--keyring", self._keyring(name), "--words-kept"]
            self.run(["vigie", "convention", "sign", str(self.convention), *keys], name)
        self.run(["vigie", "convention", "verify", str(self.convention)])

    def terms(self, population: int) -> str:
        """What the members agree on, as TOML: the demonstration's terms with this story's changes."""
        text = resources.files("vigie.demo").joinpath("terms.toml").read_text()
        this_year = utc_now().year
        years = {"from": f'"{this_year}-01-01"', "to": f'"{this_year + 2}-12-31"'}
        changes = {"population": str(population), **years, **self.overrides}
        if self.delivered:
            text += "\n" + resources.files("vigie.demo").joinpath("delivered.toml").read_text()
            changes["datasets"] = f'["perimeter", "legal_units", "explanation_requests", {_listed(text, "datasets")}]'
        return with_overrides(text, changes)

    def _keyring(self, name: str) -> str:
        return str(self.member(name) / "keyring.vigie")

    def set_up(self) -> str:
        """Make the hub and the nodes, approve the enclave's measurement, and return it."""
        shared = ["--enclave-root", str(self.enclave_root)] if self.enclave_root else []
        self.run(
            [
                "vigie-hub", "init", "--folder", str(self.hub), "--keyring", self._keyring(HUB),
                "--convention", str(self.convention), *shared,
            ],
            HUB,
        )  # fmt: skip
        root = (self.enclave_root or self.hub / "enclave") / "root"
        return self.run(["vigie", "evidence", "measure", "--root", str(root)]).strip()

    def approve(self, measurement: str) -> None:
        """Have every partner approve the measurement; its node puts the approval into the journal."""
        for name in PARTNERS:
            self.run(
                [
                    "vigie", "approve", "--measurement", measurement, "--convention", str(self.convention),
                    "--keyring", self._keyring(name), "--output", str(self.node(name) / "approvals" / "enclave.note"),
                ],
                name,
            )  # fmt: skip

    def start(self) -> None:
        """Start the hub, then the nodes and the auditor's witness, each a process of its own."""
        self.daemons[HUB] = Daemon(
            HUB, ["vigie-hub", "serve", "--folder", str(self.hub), "--listen", "127.0.0.1:0"],
            self.folder / "logs" / "hub.log", self.secret(HUB),
        )  # fmt: skip
        self.daemons[HUB].start()
        self.address = str(self.daemons[HUB].first_line()["listening"])
        # A hub that is started again must be found where the nodes know it.
        self.daemons[HUB].argv = [*self.daemons[HUB].argv[:-1], self.address]

    def nodes(self) -> None:
        """Make each partner's node and the auditor's witness folder, pointing at the running hub."""
        for name in PARTNERS:
            self.run(
                [
                    "vigie-node", "init", "--folder", str(self.node(name)), "--keyring", self._keyring(name),
                    "--convention", str(self.convention), "--hub", self.address,
                ],
                name,
            )  # fmt: skip

    def attend(self) -> None:
        """Start the nodes and the auditor's witness, and wait until the hub sees all of them."""
        for name in PARTNERS:
            self.daemons[name] = Daemon(
                name, ["vigie-node", "run", "--folder", str(self.node(name))],
                self.folder / "logs" / f"{name}.log", self.secret(name),
            )  # fmt: skip
        self.daemons[AUDITOR] = Daemon(
            AUDITOR,
            [
                "vigie", "audit", "witness", "--folder", str(self.folder / "auditor"), "--hub", self.address,
                "--keyring", self._keyring(AUDITOR), "--convention", str(self.convention),
            ],
            self.folder / "logs" / "auditeur.log", self.secret(AUDITOR),
        )  # fmt: skip
        for name in (*PARTNERS, AUDITOR):
            self.daemons[name].start()
        self.wait_attending({*PARTNERS, AUDITOR})

    def wait_attending(self, names: set[str], limit: float = 90) -> None:
        """Wait until the hub says that these members attend.

        Raises:
            Unavailable: they do not in time; the message names who is missing.
        """
        deadline = time.monotonic() + limit
        missing = names
        while time.monotonic() < deadline:
            try:
                found = run(["vigie-hub", "status", "--folder", str(self.hub), "--json"], extra=self.secret(HUB))
                missing = names - set(json.loads(found)["attending"])
            except CommandFailed:
                missing = names
            if not missing:
                return
            time.sleep(0.2)
        raise Unavailable(
            f"{', '.join(sorted(missing))} did not come to attend", hint=self.daemons[min(missing)].tail()
        )

    def perimeter(self, period: str) -> None:
        """Work the perimeter out, share it, and have the other partners fetch it."""
        owner = ["--folder", str(self.node(OWNER))]
        self.run(
            [
                "vigie-node", "perimeter", "compute", *owner, "--period", period, "--output", str(self._filter(period)),
                str(self.data / OWNER / "sigfaible_effectif_siren.csv"), *self._register(),
            ]
        )  # fmt: skip
        self.run(["vigie-node", "perimeter", "share", *owner, "--period", period, str(self._filter(period))], OWNER)
        for name in PARTNERS:
            if name != OWNER:
                self.run(["vigie-node", "perimeter", "fetch", "--folder", str(self.node(name))], name)

    def _filter(self, period: str) -> Path:
        return self.folder / "perimeter" / f"filter_siren_{period[2:].replace('-', '')}.csv"

    def files(self, name: str, period: str) -> list[str]:
        """What a partner checks and sends: its canonical files, or the folder of its files as delivered."""
        if not self.delivered:
            return [str(path) for path in sorted((self.data / name).glob("*.parquet"))]
        beside = {OWNER: [str(self._filter(period))], KEEPER: self._register()}
        return [str(self.data / name), *beside.get(name, [])]

    def _register(self) -> list[str]:
        return [str(path) for path in sorted((self.data / REGISTER).glob("*")) if "Histo" not in path.name]

    def send(self, name: str, period: str) -> str:
        """Check and deposit a partner's extracts for a period; return what the node reported."""
        files = self.files(name, period)
        report = str(self.folder / "reports" / name)
        self.run(
            ["vigie-node", "check", "--folder", str(self.node(name)), "--period", period, "--report", report, *files]
        )
        return self.run(
            [
                "vigie-node", "send", "--folder", str(self.node(name)), "--period", period, "--delivery", "snapshot",
                *files,
            ],
            name,
        )  # fmt: skip

    def consolidate(self, period: str, deadline: str = "15m") -> dict[str, Any]:
        """Order a consolidation and wait for its run."""
        found = self.run(
            [
                "vigie-hub", "consolidate", "--folder", str(self.hub), "--purpose", PURPOSE, "--period", period,
                "--deadline", deadline, "--json",
            ],
            HUB,
        )  # fmt: skip
        return dict(json.loads(found))

    def results(self, name: str, form: str = "csv", language: str = "fr") -> Path:
        """Fetch a partner's results and export the newest list."""
        folder = ["--folder", str(self.node(name))]
        self.run(["vigie-node", "results", "fetch", *folder], name)
        return self.export(name, form, language)

    def export(self, name: str, form: str, language: str = "fr") -> Path:
        """Write a partner's newest list as a file."""
        target = self.folder / "results" / f"{name}.{form}"
        self.run(
            [
                "vigie-node", "results", "export", "--folder", str(self.node(name)), "--format", form,
                "--language", language, "--output", str(target),
            ]
        )  # fmt: skip
        return target

    def show(self, name: str, most: int) -> str:
        """The most alarming companies of a partner's newest list, with their reasons as sentences."""
        return self.run(["vigie-node", "results", "show", "--folder", str(self.node(name)), "--top", str(most)])

    def audit(self) -> str:
        """Export the journal as the auditor and verify it offline."""
        export = self.folder / "audit"
        self.run(
            [
                "vigie", "audit", "export", "--hub", self.address, "--convention", str(self.convention),
                "--keyring", self._keyring(AUDITOR), "--output", str(export),
            ],
            AUDITOR,
        )  # fmt: skip
        return self.run(["vigie", "audit", "verify", str(export), "--convention", str(self.convention)])

    def stop(self) -> None:
        """Stop everything that runs, the hub last."""
        for name in (*PARTNERS, AUDITOR, HUB):
            if name in self.daemons:
                self.daemons[name].stop()


def _listed(terms: str, key: str) -> str:
    """What stands within the brackets of a list of the terms, on its one line."""
    (line,) = (line for line in terms.splitlines() if line.startswith(f"{key} = ["))
    return line.partition("[")[2].rstrip().removesuffix("]")


def with_overrides(terms: str, overrides: Mapping[str, str]) -> str:
    """Replace values of ``key = value`` lines of the terms, everywhere the key stands.

    Args:
        terms: TOML text, one setting a line.
        overrides: key to the TOML text of its value.
    """
    lines = []
    for line in terms.splitlines():
        key, equals, _ = line.partition("=")
        name = key.strip()
        lines.append(f"{name} = {overrides[name]}" if equals and name in overrides else line)
    return "\n".join(lines) + "\n"
