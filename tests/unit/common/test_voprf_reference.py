"""The library against a second implementation of RFC 9497: what its own tests cannot show of its random parts."""

from support import voprf_reference as reference
from support.vectors import blocks
from vigie.pseudonym import Blinder, Custodian, input_of


def unhex(text: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in text.split(",")]


def test_the_second_implementation_gives_the_vectors_and_verifies_their_proofs() -> None:
    head, *vectors = blocks("voprf/rfc9497-a12.txt")
    key = reference.derive_key(bytes.fromhex(head["seed"]), bytes.fromhex(head["key-info"]))
    public = bytes.fromhex(head["public-key"])
    assert reference.encode(reference.multiply(key, reference.BASE)) == public
    for vector in vectors:
        blinded, evaluated = unhex(vector["blinded"]), unhex(vector["evaluated"])
        proof = bytes.fromhex(vector["proof"])
        assert [reference.evaluate(key, one) for one in unhex(vector["input"])] == unhex(vector["output"])
        assert [reference.encode(reference.multiply(key, reference.decode(one))) for one in blinded] == evaluated
        assert reference.verify(public, blinded, evaluated, proof)
        assert not reference.verify(public, evaluated, blinded, proof)


def test_proofs_and_outputs_of_the_library_hold_in_the_second_implementation() -> None:
    seed = bytes(range(32))
    custodian = Custodian.from_seed(seed, "demo", 3)
    key = reference.derive_key(seed, b"vigie/demo/epoch/3")
    assert reference.encode(reference.multiply(key, reference.BASE)) == custodian.public
    sirens = ["000000000", "552100554", "999999999"]
    batch = Blinder.blind(sirens)
    answer = custodian.blind_evaluate(batch.elements)
    sent, back = ([data[at : at + 32] for at in range(0, 96, 32)] for data in (batch.elements, answer[64:]))
    assert reference.verify(custodian.public, sent, back, answer[:64])
    assert not reference.verify(Custodian.from_seed(seed, "demo", 4).public, sent, back, answer[:64])
    assert batch.finalize(answer, custodian.public) == [reference.evaluate(key, input_of(one)) for one in sirens]
