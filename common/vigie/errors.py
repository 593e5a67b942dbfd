"""Every error of Vigie, split by who must act, so that a caller knows what to do with one it has never met.

::

    VigieError
    ├── InputError              the person or partner who gave the input must mend it
    │   ├── ExtractError        a file of the partner (where: file, line, column)
    │   ├── ConfigError         a configuration file or command-line option
    │   └── WrongPassphrase
    ├── Malformed               bytes that are not what they claim to be; whoever made them is at fault
    │   ├── MalformedNote
    │   ├── MalformedStatement
    │   ├── MalformedConvention
    │   ├── MalformedSegment
    │   ├── MalformedEvidence
    │   ├── MalformedModel
    │   └── MalformedFrame
    ├── Untrusted               well-formed, but it proves nothing or the wrong thing
    │   ├── BadSignature
    │   ├── BadProof
    │   ├── BadSeal
    │   └── WitnessConflict     carries the size that the witness last signed
    ├── Refused                 understood, authentic and not allowed; carries claim, expected and found
    ├── Missing                 what was asked for is not there
    ├── Unavailable             the peer cannot be reached or is busy: try again later (retryable)
    └── StateError              our own durable state is not what it must be: stop and reload (fatal)

Messages are sentences for a person and never carry partner data (a SIREN, a name, an amount); ``hint`` says what to do.
"""


class VigieError(Exception):
    """Root of all errors that Vigie raises on purpose.

    Args:
        message: a sentence for a person, without partner data.
        hint: what that person can do about it; empty when there is nothing.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InputError(VigieError):
    """What a person or a partner gave must be mended by them."""


class ExtractError(InputError):
    """A file of a partner cannot be used; the message says which file, line and column."""


class ConfigError(InputError):
    """A configuration file, an option or a folder is not as it must be."""


class WrongPassphrase(InputError):
    """The keyring does not open with the passphrase given."""


class Malformed(VigieError):
    """Bytes that are not what they claim to be."""


class MalformedNote(Malformed):
    """Not a C2SP signed note, checkpoint or tlog-proof."""


class MalformedStatement(Malformed):
    """Not a statement of a known kind in its one canonical form."""


class MalformedConvention(Malformed):
    """The TOML of a convention is not what docs/spec/convention.md says."""


class MalformedSegment(Malformed):
    """An opened segment or result part does not hold what it must."""


class MalformedEvidence(Malformed):
    """A hardware report, quote or attestation document is not laid out as its maker says, or its endorsements are not."""


class MalformedModel(Malformed):
    """Bytes are not those of a model, which docs/spec/model.md describes."""


class MalformedFrame(Malformed):
    """A frame on the enclave's channel is garbled, out of order or too large."""


class Untrusted(VigieError):
    """Well-formed, but not proved."""


class BadSignature(Untrusted):
    """A known key's signature fails, or a required signer is absent."""


class BadProof(Untrusted):
    """A Merkle proof, VOPRF proof or digest does not verify."""


class BadSeal(Untrusted):
    """A sealed message does not open with this key and place."""


class WitnessConflict(Untrusted):
    """The witness last signed another size than the one the proof starts from.

    Attributes:
        size: the size that the witness last signed.
    """

    def __init__(self, message: str, *, size: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.size = size


class Refused(VigieError):
    """Understood and authentic, but the convention or a policy says no.

    Attributes:
        claim: which rule was judged, as a stable lower-case word (``measurement``, ``budget``, ``recipient`` …).
        expected: what the rule wants, for a person.
        found: what there was instead, for a person.
    """

    def __init__(self, claim: str, *, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"refused: {claim}: expected {expected}, found {found}", hint=hint)
        self.claim = claim
        self.expected = expected
        self.found = found


class Missing(VigieError):
    """What was asked for is not there."""


class Unavailable(VigieError):
    """The peer cannot be reached or is busy; the same call may go through later."""


class StateError(VigieError):
    """Our own durable state is unknown or damaged: stop, and start again from what is on disk."""
