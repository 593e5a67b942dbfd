"""The certificates of the hub's handshakes: its own, and those of the members under the convention in force.

gRPC asks for them at every new connection, from threads of its own, one at a time. When it is given certificates, it
frees what handshakes were made from before, even under another connection that is about to make one
(grpc/grpc#36693, open as of 1.85.1), and the process ends. So two rules are kept here:

1. Certificates are given when they have changed, which takes an amendment; else the answer is that they have not.
2. They are given after a moment of waiting. gRPC lets no other connection past the question meanwhile, and those that
   are past it take hold of what they use.
"""

import time
from collections.abc import Callable
from typing import Final

import grpc

GRACE_SECONDS: Final = 1.0
"""How long new certificates are held back. What is waited for takes microseconds of a thread that has a processor; new
connections wait as long, and so may some calls, once for each amendment that changes certificates."""


class Certificates:
    """What the hub's server asks at every new connection.

    Args:
        key_pem: the hub's TLS private key, PKCS #8.
        certificate_pem: the hub's certificate.
        members: returns the certificates that are let in now, PEM; called from any thread.
        wait: waits for some seconds.
    """

    def __init__(
        self,
        key_pem: bytes,
        certificate_pem: bytes,
        members: Callable[[], bytes],
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pair = (key_pem, certificate_pem)
        self._members = members
        self._wait = wait
        self._given = members()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the members; whoever connects must present one of their certificates."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self.changed,  # type: ignore[arg-type]  # the stubs leave out None: gRPC goes on with what it has
            require_client_authentication=True,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificates if they are others than last time; blocks then."""
        if self._members() == self._given:
            return None
        self._wait(GRACE_SECONDS)
        self._given = self._members()
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([self._pair], root_certificates=self._given)
