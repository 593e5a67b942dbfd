"""The words that may leave the enclave outside of a seal or a signed statement: all of them, and no others.

``Failed`` and ``Progress`` are the only places where an enclave speaks freely, so they do not: a claim and a stage are
from a list, and a sentence is one of those below, with numbers of at most six digits and names in its gaps.  A name is one
that the host itself gave in the conventions, or that a built-in dataset has.  What is not from here is replaced by
:data:`UNTOLD` at the door (:mod:`vigie_hub.enclave.channel`), whoever raised it and why.

A test walks every refusal that the enclave's code can raise and says which words are missing here.
"""

import builtins
import re
from collections.abc import Iterable
from typing import Final

from vigie import errors
from vigie.datasets import BUILT_IN

UNTOLD: Final = "words that may not leave the enclave"
"""What stands for a sentence that is not declared."""

UNTOLD_CLAIM: Final = "internal"

STAGES: Final = frozenset({"shares", "features", "training", "sealing"})
"""What a run can be at."""

CLAIMS: Final = frozenset(
    {
        # of the enclave itself
        "channel", "convention", "evidence", "internal", "lot", "lots", "memory", "order", "perimeter", "recipient",
        "approvals", "joint", "label", "model", "platform", "quote", "release", "required", "rows", "run", "segment", "shares", "states", "training",
        # of vigie.authority and vigie.chain, which judge statements and conventions for it
        "about", "as_of", "buckets", "challenges", "companies_class", "count", "created", "dataset", "dates", "deadline",
        "decision", "delivery", "epoch", "evaluator", "grant", "id", "kind", "level", "member", "newest", "origin",
        "key", "owner", "partner", "previous", "purpose", "quality", "recipients", "releases", "requester", "results", "schema",
        "sealed", "segments", "signatures", "signatory", "stage", "threshold", "version",
    }
)  # fmt: skip
"""The rules that can end a run."""

SENTENCES: Final = (
    # the channel
    "the messages of the channel, in their order and bounds",
    "a control frame does not hold a message",
    "a control frame ends in the middle of a number",
    "a control frame holds a field more often than it may",
    "a control frame holds a field that is longer than it may be",
    "a control frame holds a field that is not of this protocol",
    "a control frame holds no message that its sender may send",
    "a control frame is not in its one form",
    "a frame is longer than it may be",
    "a frame of another type came than the one that was due",
    "a measurement, challenge or segment id is not 32 bytes",
    "a message is longer than it may be",
    "a part is longer than it may be",
    "a part is not as long as announced",
    "a result or stage has a name that was never given",
    "another message came than the one that was due",
    "another part came than the one that was due",
    "messages are out of order",
    "the channel ended",
    "the host did not listen for longer than it may",
    "the host was silent for longer than it may be",
    "the name of a member is empty or too long",
    "there are more messages of one kind than a run may have",
    # what the host gives at the start
    "one chain of conventions, each signed by all its signatories",
    "an order signed by a hub operator under the current convention",
    "no states, which this version does not read",
    "the {number} lots of the order",
    "a lot that its partner signed and was allowed to deposit",
    "the lot that the order names at place {number}",
    "another lot",
    "a receipt that proves the lot's entry in the journal",
    "datasets that the purpose {name} reads",
    "epoch {number}, schema {number}",
    "a part for each bucket and an id for each part",
    "the segment ids that the partner signed",
    "one snapshot of {name} by {name} and the deltas based on it",
    "{number} snapshots and {number} deltas",
    # evidence and releases
    "the evidence that was claimed, with the host's signature",
    "the evidence of another enclave",
    "one answer of each member that the order asks",
    "an answer of {name} to this order",
    "to another one",
    "an answer to this enclave's evidence",
    "all lots of {name} that the order names",
    "the sealed keys that the release names",
    "the keys of the lots that the order names, and no others",
    "the private half of each lot's key",
    "another, for {name}",
    "a sound release by {name}",
    # the joint key and the model
    "the joint key that the model is sealed to",
    "a joint key that the enclave of its evidence drew, in the journal",
    "the joint key of epoch {number}",
    "of {number}",
    "sound shares of {number} organisations",
    "{number}; wrong: {names}",
    "{number}; none of: {names}",
    "{number}; wrong: {names}; none of: {names}",
    "shares that restore the joint key",
    "at most {number} parts",
    "the sealed parts that the run named",
    "a model that opens with the joint key, with the digest that the order names",
    "a model that a run of this purpose trained, in the journal",
    "a model for {name}",
    "one for another purpose or order",
    "the run that trained the model that the order names",
    "another run",
    "a measurement that {number} organisations approved",
    "the {number} features that the model learnt, in their order",
    "the same features in another order",
    "{number} features, {number} of them others",
    "a platform that there is a verifier for",
    "a quote whose every signature holds",
    # the work
    "0, 1 or nothing in the column of the label",
    "another value",
    "lots of {name}, who decides the perimeter",
    "companies that the perimeter's lot names for the period",
    "keys to the lot that names the companies",
    "the segment that the partner signed for",
    "a segment that opens at its place",
    "rows in the dataset's one form, {name}",
    "companies out of order",
    "an unknown category of {name}",
    "a date of {name} out of this era",
    "a company in another company's bucket",
    "one row for each company and key, {name}",
    "both outcomes among the labelled rows",
    "a member that results can be sealed to",
    # whatever else
    "a run without a fault",
    "enough memory for the whole matrix",
    "too little",
    "an error of kind {kind}",
    "a fault of kind {kind}",
    "a refusal under {claim}",
    "another number",
    "another one",
    "other bytes",
    "other keys",
    "other lots",
    "others",
    "fewer",
    "none",
    "two",
    "{name}",
    "{number}",
    UNTOLD,
)
"""What a refusal may say it expected or found."""

_GAPS: Final = {
    "number": r"(?P<number{}>0|[1-9]\d{{0,5}})",
    "name": r"(?P<name{}>[a-z][a-z0-9_-]{{0,62}})",
    "names": r"(?P<names{}>[a-z][a-z0-9_-]{{0,62}}(?:, [a-z][a-z0-9_-]{{0,62}}){{0,63}})",
    "kind": r"(?P<kind{}>[A-Za-z]{{1,40}})",
    "claim": r"(?P<claim{}>[a-z_]{{1,32}})",
}
_KINDS: Final = frozenset(
    name
    for module in (errors, builtins)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_NAME: Final = re.compile(rb"(?<![a-z0-9_-])[a-z][a-z0-9_-]{0,62}(?![a-z0-9_-])")


def kind_of(error: BaseException) -> str:
    """The name of an error's class when it is one of ours or Python's, of the nearest such class above it otherwise."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _KINDS)


class Vocabulary:
    """The words of one run: the fixed ones, and the names in the conventions that the host gave."""

    def __init__(self) -> None:
        self._names = {name for dataset in BUILT_IN.values() for name in (dataset.name, *dataset.names)}

    def learn(self, conventions: Iterable[bytes]) -> None:
        """Take the names that the host itself wrote in the conventions."""
        for text in conventions:
            self._names.update(name.decode() for name in _NAME.findall(text))

    def knows(self, name: str) -> bool:
        """Whether the host gave that name, or a built-in dataset has it."""
        return name in self._names

    def claim(self, word: str) -> str:
        """The claim, or :data:`UNTOLD_CLAIM` for one that is not declared."""
        return word if word in CLAIMS else UNTOLD_CLAIM

    def sentence(self, text: str) -> str:
        """The sentence, or :data:`UNTOLD` for one that is not declared."""
        return text if any(self._fits(pattern, text) for pattern in _PATTERNS) else UNTOLD

    def _fits(self, pattern: re.Pattern[str], text: str) -> bool:
        found = pattern.fullmatch(text)
        return found is not None and all(self._allowed(gap, word) for gap, word in found.groupdict().items())

    def _allowed(self, gap: str, word: str) -> bool:
        match gap.rstrip("0123456789"):
            case "name":
                return word in self._names
            case "names":
                return all(name in self._names for name in word.split(", "))
            case "kind":
                return word in _KINDS
            case "claim":
                return word in CLAIMS
            case _:
                return True  # a number: the pattern bounds it


def _pattern(sentence: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", sentence)
    return re.compile(
        "".join(_GAPS[piece].format(place) if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)),
        re.ASCII,
    )


_PATTERNS: Final = tuple(map(_pattern, SENTENCES))
