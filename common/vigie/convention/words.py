"""A convention in words, French or English: what a signatory reads before signing, without the keys.

Every sentence comes from the values, so that the words cannot say something else than the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from vigie.convention.hardware import HardwareRule
from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    Grant,
    Member,
    PerimeterRule,
    Purpose,
)

Language = Literal["fr", "en"]

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "head": ("Convention {id}, version {version}", "Convention {id}, version {version}"),
    "digest": ("Empreinte : {digest}", "Digest: {digest}"),
    "force": ("En vigueur du {start} au {end} inclus.", "In force from {start} to {end}, both inclusive."),
    "amends": ("Modifie la convention {previous}.", "Amends the convention {previous}."),
    "journal": ("Journal des échanges : {origin}, tenu par {hub}.", "Exchange journal: {origin}, kept by {hub}."),
    "signed_by": ("À signer par : {names}.", "To be signed by: {names}."),
    "members": ("Membres", "Members"),
    "member": ("{name} ({organisation}) : {roles}", "{name} ({organisation}): {roles}"),
    "population": (", {count} entreprises déclarées", ", {count} companies declared"),
    "datasets": ("Données", "Datasets"),
    "dataset": (
        "{name}, schéma {schema}, déposé par {owners} ; au plus {rejected} de lignes rejetées ; niveau {level} au moins",
        "{name}, schema {schema}, deposited by {owners}; at most {rejected} of rows rejected; level {level} or better",
    ),
    "purposes": ("Finalités", "Purposes"),
    "purpose": (
        "{name} : « {title} » ; cible : {target}, à {horizon} mois ; entreprises de {perimeter} ; calcule {outputs}",
        "{name}: “{title}”; target: {target}, {horizon} months ahead; companies of {perimeter}; computes {outputs}",
    ),
    "sources": ("à partir de : {datasets}", "out of: {datasets}"),
    "required": ("aucun calcul sans : {names}", "no run without: {names}"),
    "grants": ("Droits", "Grants"),
    "grant": (
        "{name} : {recipient} reçoit {columns} ({rows}) ; peut voir les données {labels}",
        "{name}: {recipient} receives {columns} ({rows}); may see data labelled {labels}",
    ),
    "freed": (
        "montré à tous les destinataires de {purpose} : {outputs}",
        "shown to every recipient of {purpose}: {outputs}",
    ),
    "protection": ("Protections", "Protections"),
    "pseudonym": (
        "pseudonyme, époque {number} ({start} – {end}) : les clefs de {names} sont toutes nécessaires",
        "pseudonym, epoch {number} ({start} – {end}): the keys of {names} are all needed",
    ),
    "enclave": (
        "enclave : code approuvé par {approvals} organismes, niveau {level} au moins, plate-forme {platforms}, avec {layers}",
        "enclave: code approved by {approvals} organisations, level {level} or better, platform {platforms}, with {layers}",
    ),
    "hardware": (
        "matériel « {name} » ({platform}) : {images} ; {floor} ; générations refusées : {refused}",
        "hardware “{name}” ({platform}): {images}; {floor}; refused generations: {refused}",
    ),
    "hardware_images": ("{count} image(s) de démarrage acceptée(s)", "{count} accepted launch image(s)"),
    "hardware_registers": ("registres {names} imposés", "registers {names} prescribed"),
    "hardware_firmware": ("micrologiciel {floor} au moins", "firmware {floor} or newer"),
    "hardware_status": ("micrologiciel qu'Intel dit {floor}", "firmware that Intel calls {floor}"),
    "hardware_keys": ("{count} clef(s) de TPM agréée(s)", "{count} endorsed TPM key(s)"),
    "hardware_any": ("micrologiciel non vérifiable", "firmware that nobody states"),
    "hardware_vlek": (
        "« {name} » : une clef prêtée par AMD à un fournisseur d'informatique en nuage est acceptée",
        "“{name}”: a key that AMD lent to a cloud provider is accepted",
    ),
    "hardware_operator": (
        "« {name} » : {count} machine(s) exploitée(s) par {operator}, et non par la plate-forme : niveau A4",
        "“{name}”: {count} machine(s) operated by {operator} and not by the hub: level A4",
    ),
    "hardware_machines": (
        "« {name} » : {count} machine(s) nommée(s) et aucune autre",
        "“{name}”: {count} named machine(s) and no other",
    ),
    "witness": (
        "remise de clefs seulement si {quorum} autre(s) organisme(s) ont certifié le journal",
        "keys are released only once {quorum} other organisation(s) witnessed the journal",
    ),
    "custody": (
        "clef du modèle : {threshold} organismes dépositaires ensemble",
        "key of the model: {threshold} custodians' organisations together",
    ),
    "retention": (
        "conservation : lots {lots} mois, résultats {results} mois",
        "kept: lots {lots} months, results {results} months",
    ),
    "disclosure": (
        "chiffres publiés : {cell} entreprises au moins par case, aucune au-delà de {dominance}, arrondis à {rounding}",
        "published figures: at least {cell} companies per cell, none above {dominance}, rounded to {rounding}",
    ),
    "perimeter_title": ("Périmètre", "Perimeter"),
    "perimeter": (
        "établi par {owner}, transmis sous pseudonyme à {names}, qui n'envoient rien sur d'autres entreprises",
        "worked out by {owner}, shared under pseudonyms with {names}, who send nothing about other companies",
    ),
    "perimeter_headcount": (
        "entreprises d'au moins {minimum} salariés un mois sur les {window} derniers",
        "companies with at least {minimum} persons employed in one of the last {window} months",
    ),
    "perimeter_recent": (
        "dont l'effectif est connu un des {recent} derniers mois",
        "whose headcount is known for one of the last {recent} months",
    ),
    "perimeter_forms": ("hors catégories juridiques : {codes}", "without the legal forms: {codes}"),
    "perimeter_activities": ("hors activités (NAF) : {codes}", "without the activities (NAF): {codes}"),
    "perimeter_france": (
        "hors entreprises dont le siège n'est dans aucun département français",
        "without companies whose head office is in no French département",
    ),
    "all": ("toutes les entreprises", "all companies"),
    "alerted": ("entreprises en alerte", "companies under alert"),
    "score": ("score", "score"),
    "level": ("niveau d'alerte", "level"),
    "topics": ("totaux par thème", "topic totals"),
    "reasons": ("motifs", "reasons"),
    "failure": ("défaillance (procédure collective)", "failure (collective proceedings)"),
    "failure-or-default": ("défaillance ou défaut de paiement", "failure or default"),
    "default": ("défaut de paiement (dette de plus d'un mois de cotisations, trois mois de suite)", "default on debts"),
    "declared_target": (
        "la colonne {column} de {dataset}, renseignée par {owner} (1 : l'événement ; vide : entreprise à scorer)",
        "the column {column} of {dataset}, filled in by {owner} (1: the event; empty: a company to score)",
    ),
    "partner": ("partenaire", "partner"),
    "custodian": ("dépositaire du pseudonyme", "custodian of the pseudonym"),
    "witness_role": ("témoin du journal", "witness of the journal"),
    "auditor": ("auditeur", "auditor"),
    "hub": ("plate-forme", "hub"),
    "none": ("aucune", "none"),
    "signatory": ("signataire", "signatory"),
}


def describe(convention: Convention, language: Language) -> list[str]:
    """The lines to print."""
    return list(_Words(language).lines(convention))


class _Words:
    def __init__(self, language: Language) -> None:
        self._place = 0 if language == "fr" else 1

    def _say(self, word: str, **values: object) -> str:
        return _WORDS[word][self._place].format(**values)

    def _list(self, words: Iterable[str]) -> str:
        return ", ".join(_WORDS[word][self._place] if word in _WORDS else word for word in words) or self._say("none")

    def lines(self, convention: Convention) -> Iterator[str]:
        yield self._say("head", id=convention.id, version=convention.version)
        yield convention.title
        yield self._say("digest", digest=convention.digest.hex())
        yield self._say("force", start=convention.start.isoformat(), end=convention.end.isoformat())
        if convention.previous is not None:
            yield self._say("amends", previous=convention.previous.hex())
        yield self._say("journal", origin=convention.origin, hub=convention.hub)
        yield self._say("signed_by", names=", ".join(convention.signatories))
        sections = (
            ("members", (self._member(member) for member in convention.members.values())),
            ("datasets", self._datasets(convention)),
            ("purposes", self._purposes(convention)),
            ("grants", self._grants(convention)),
            ("protection", self._protections(convention)),
            *([("perimeter_title", self._perimeter(convention.perimeter))] if convention.perimeter else []),
        )
        for title, items in sections:
            yield ""
            yield self._say(title)
            yield from (f"  - {item}" for item in items)

    def _member(self, member: Member) -> str:
        roles = ["witness_role" if role == "witness" else role for role in sorted(member.roles)] or ["signatory"]
        line = self._say("member", name=member.name, organisation=member.organisation, roles=self._list(roles))
        return line + (self._say("population", count=member.population) if member.population else "")

    def _datasets(self, convention: Convention) -> Iterator[str]:
        for rule in convention.datasets.values():
            yield self._say(
                "dataset",
                name=rule.name,
                schema=rule.definition.schema,
                owners=", ".join(rule.owners),
                rejected=self._share(rule.maximum_rejected),
                level=rule.minimum_level,
            )

    def _purposes(self, convention: Convention) -> Iterator[str]:
        for purpose in convention.purposes.values():
            yield self._say(
                "purpose",
                name=purpose.name,
                title=purpose.title,
                outputs=self._list(purpose.outputs),
                horizon=purpose.horizon,
                perimeter=purpose.perimeter,
                target=self._target(convention, purpose),
            )
            yield self._say("sources", datasets=", ".join(purpose.datasets))
            if purpose.required:
                yield self._say("required", names=", ".join(purpose.required))

    def _target(self, convention: Convention, purpose: Purpose) -> str:
        if purpose.label is None:
            return self._list([purpose.target])
        dataset, column = purpose.label
        return self._say(
            "declared_target", dataset=dataset, column=column, owner=", ".join(convention.datasets[dataset].owners)
        )

    def _grants(self, convention: Convention) -> Iterator[str]:
        for grant in convention.grants.values():
            yield self._grant(grant)
        for purpose in convention.purposes:
            freed = [one for one in ("score", "level", "topics") if convention.is_declassified(purpose, one)]
            if freed:
                yield self._say("freed", purpose=purpose, outputs=self._list(freed))

    def _grant(self, grant: Grant) -> str:
        return self._say(
            "grant",
            name=grant.name,
            recipient=grant.recipient,
            columns=self._list(grant.columns),
            rows=self._list([grant.rows]),
            labels=", ".join(sorted(grant.labels)) or self._say("none"),
        )

    def _perimeter(self, rule: PerimeterRule) -> Iterator[str]:
        yield self._say("perimeter", owner=rule.owner, names=", ".join(rule.shared_with))
        yield self._say("perimeter_headcount", minimum=rule.minimum_headcount, window=rule.window_months)
        if rule.recent_months:
            yield self._say("perimeter_recent", recent=rule.recent_months)
        if rule.excluded_legal_forms:
            yield self._say("perimeter_forms", codes=", ".join(rule.excluded_legal_forms))
        if rule.excluded_activities:
            yield self._say("perimeter_activities", codes=", ".join(rule.excluded_activities))
        if rule.head_office_in_france:
            yield self._say("perimeter_france")

    def _protections(self, convention: Convention) -> Iterator[str]:
        for epoch in convention.epochs:
            yield self._say(
                "pseudonym",
                number=epoch.number,
                start=epoch.start.isoformat(),
                end=epoch.end.isoformat(),
                names=", ".join(one.member for one in epoch.custodians),
            )
        rule = convention.enclave
        yield self._say(
            "enclave",
            approvals=rule.approvals,
            level=rule.minimum_level,
            platforms=", ".join(rule.platforms),
            layers=", ".join(rule.layers) or self._say("none"),
        )
        for one in rule.hardware:
            yield from self._hardware(one)
        yield self._say("witness", quorum=convention.witness.release_quorum)
        yield self._say("custody", threshold=convention.custody.threshold)
        yield self._say("retention", lots=convention.retention.lots_months, results=convention.retention.results_months)
        disclosure = convention.disclosure
        yield self._say(
            "disclosure",
            cell=disclosure.minimum_cell,
            dominance=self._share(disclosure.dominance),
            rounding=disclosure.rounding,
        )

    def _hardware(self, rule: HardwareRule) -> Iterator[str]:
        images = [self._say("hardware_images", count=len(rule.measurements))] if rule.measurements else []
        if rule.registers:
            images.append(self._say("hardware_registers", names=", ".join(map(str, sorted(rule.registers)))))
        floors = [
            f"{generation} {part} {version}"
            for generation, parts in rule.minimum_tcb.items()
            for part, version in parts.items()
        ]
        if floors:
            floor = self._say("hardware_firmware", floor=", ".join(floors))
        elif rule.tcb_statuses:
            floor = self._say("hardware_status", floor=", ".join(sorted(rule.tcb_statuses)))
        elif rule.keys:
            floor = self._say("hardware_keys", count=len(rule.keys))
        else:
            floor = self._say("hardware_any")
        yield self._say(
            "hardware",
            name=rule.name,
            platform=rule.platform,
            images=", ".join(images),
            floor=floor,
            refused=", ".join(sorted(rule.refused_generations)) or self._say("none"),
        )
        if rule.vlek:
            yield self._say("hardware_vlek", name=rule.name)
        if rule.operator:
            yield self._say("hardware_operator", name=rule.name, count=len(rule.machines), operator=rule.operator)
        elif rule.machines:
            yield self._say("hardware_machines", name=rule.name, count=len(rule.machines))

    def _share(self, value: float) -> str:
        percent = f"{value * 100:g}"
        return f"{percent.replace('.', ',')} %" if self._place == 0 else f"{percent}%"
