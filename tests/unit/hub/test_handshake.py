"""When the hub gives gRPC certificates, and when it says that nothing changed."""

import grpc

from support.world import World
from vigie_hub.handshake import GRACE_SECONDS, Certificates


class Case:
    """Certificates of members that may change, and what was waited for."""

    def __init__(self, world: World) -> None:
        self.members = [world.convention.member(name).certificate_pem for name in ("acoss", "travail")]
        self.waited: list[float] = []
        self.certificates = Certificates(
            *world.keyrings["hub"].tls(), lambda: b"".join(self.members), wait=self.waited.append
        )


def test_certificates_that_did_not_change_are_not_given_again(world: World) -> None:
    case = Case(world)
    assert isinstance(case.certificates.credentials(), grpc.ServerCredentials)
    assert [case.certificates.changed() for _ in range(3)] == [None, None, None]
    assert case.waited == []


def test_certificates_that_changed_are_given_once_after_a_moment(world: World) -> None:
    case = Case(world)
    for change in (case.members.pop, lambda: case.members.append(world.convention.member("auditeur").certificate_pem)):
        case.waited.clear()
        change()
        assert isinstance(case.certificates.changed(), grpc.ServerCertificateConfiguration)
        assert case.waited == [GRACE_SECONDS]
        assert case.certificates.changed() is None


def test_what_changes_during_the_moment_is_given_with_it(world: World) -> None:
    case = Case(world)
    taken = [world.convention.member("auditeur").certificate_pem]

    def wait(seconds: float) -> None:
        case.members += taken

    certificates = Certificates(*world.keyrings["hub"].tls(), lambda: b"".join(case.members), wait=wait)
    case.members.pop()
    assert certificates.changed() is not None
    assert certificates.changed() is None
