"""The makers' certificates that trust starts from: files in ``roots/``, held to their digests, never fetched."""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vigie.errors import StateError
from vigie.hardware import certificates

DIGESTS: Final = {
    "amd-milan.pem": (
        "67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b",
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    ),
    "amd-milan-vlek.pem": (
        "c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5",
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    ),
    "amd-genoa.pem": (
        "5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    ),
    "amd-turin.pem": (
        "5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    ),
    "intel-sgx-root.der": ("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",),
    "aws-nitro-g1.pem": ("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b",),
}
"""SHA-256 of the DER of each certificate in each file, the root last (``roots/SOURCE.md`` says where they come from)."""


@cache
def pinned(name: str) -> tuple[x509.Certificate, ...]:
    """The certificates of one file, root last.

    Raises:
        StateError: the installed file is not the one that was released.
    """
    found = certificates.load(resources.files("vigie.hardware").joinpath("roots", name).read_bytes())
    digests = tuple(hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in found)
    if digests != DIGESTS[name]:
        raise StateError(f"the pinned certificates in {name} were altered", hint="install Vigie again")
    return found
