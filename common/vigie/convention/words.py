"""A convention in words, for those who sign it and those who are bound by it; French, or English."""

from vigie.convention.model import Convention

_ROLES = {
    "partner": ("partenaire", "partner"),
    "custodian": ("gardien d'une clé de pseudonymes", "custodian of a pseudonym key"),
    "witness": ("témoin du journal", "witness of the journal"),
    "auditor": ("auditeur", "auditor"),
    "hub": ("exploitant du concentrateur", "operator of the hub"),
}
_OUTPUTS = {
    "score": ("score", "score"),
    "level": ("niveau d'alerte", "alert level"),
    "topics": ("totaux par thème", "totals by topic"),
    "reasons": ("motifs", "reasons"),
}
_TARGETS = {
    "failure": ("défaillance", "failure"),
    "failure-or-default": ("défaillance ou défaut de paiement", "failure or default of payment"),
}


def describe(convention: Convention, language: str) -> list[str]:
    """Return the convention as lines of text.

    Args:
        convention: what to describe.
        language: ``fr`` or ``en``.
    """
    place = 0 if language == "fr" else 1

    def say(french: str, english: str) -> str:
        return (french, english)[place]

    until = say("au", "to")
    lines = [
        convention.title,
        (
            f"{convention.id}, version {convention.version}, "
            f"{say('du', 'from')} {convention.start} {until} {convention.end}"
        ),
        f"{say('empreinte', 'digest')} {convention.digest.hex()}",
        "",
        say("Membres :", "Members:"),
    ]
    for member in convention.members.values():
        roles = ", ".join(sorted(_ROLES[role][place] for role in member.roles))
        signs = say(", signataire", ", signatory") if member.name in convention.signatories else ""
        lines.append(f"  {member.name} ({member.organisation}) : {roles}{signs}")
    lines += ["", say("Ce qui peut être déposé, et par qui :", "What may be deposited, and by whom:")]
    for rule in convention.datasets.values():
        lines.append(
            f"  {rule.name} : {', '.join(rule.owners)} ; "
            f"{say('garantie minimale', 'least assurance')} {rule.minimum_level}, "
            f"{say('au plus', 'at most')} {rule.maximum_rejected:.1%} {say('de lignes rejetées', 'of rows rejected')}"
        )
    lines += ["", say("Pour quoi :", "For what:")]
    for purpose in convention.purposes.values():
        target = _TARGETS.get(purpose.target, (purpose.target, purpose.target))[place]
        lines += [
            f"  {purpose.name} : {purpose.title}",
            (
                f"    {say('cible', 'target')} : {target}, {purpose.horizon} {say('mois', 'months')} ; "
                f"{say('données', 'data')} : {', '.join(purpose.datasets)}"
            ),
            (
                f"    {say('périmètre', 'perimeter')} : {purpose.perimeter} ; "
                f"{say('indispensables', 'required')} : {', '.join(purpose.required) or '-'}"
            ),
        ]
    lines += ["", say("Qui reçoit quoi :", "Who receives what:")]
    for grant in convention.grants.values():
        outputs = ", ".join(_OUTPUTS[output][place] for output in grant.columns)
        rows = say("toutes ses entreprises", "all its companies")
        if grant.rows == "alerted":
            rows = say("ses entreprises en alerte", "its companies with an alert")
        secrets = ", ".join(sorted(grant.labels)) or say("aucun", "none")
        lines.append(
            f"  {grant.recipient} ({grant.name}) : {outputs} ; {rows} ; {say('secrets', 'labels')} : {secrets}"
        )
    for freed in sorted(convention.declassifications, key=lambda one: (one.purpose, one.output)):
        lines.append(
            f"  {say('tous peuvent voir', 'everybody may see')} : {_OUTPUTS[freed.output][place]} ({freed.purpose})"
        )
    lines += [
        "",
        say("Garanties :", "Safeguards:"),
        (
            f"  {say('enclave approuvée par au moins', 'enclave approved by at least')} {convention.enclave.approvals} "
            f"{say('organisations', 'organisations')}, {say('niveau', 'level')} {convention.enclave.minimum_level}, "
            f"{', '.join(convention.enclave.platforms)}"
        ),
        (
            f"  {say('clés livrées sous un journal vu par au moins', 'keys released under a journal seen by at least')} "
            f"{convention.witness.release_quorum} {say('autre(s) organisation(s)', 'other organisation(s)')}"
        ),
        (
            f"  {say('conservation', 'retention')} : {convention.retention.lots_months} / "
            f"{convention.retention.results_months} {say('mois (lots / résultats)', 'months (lots / results)')}"
        ),
    ]
    return lines
