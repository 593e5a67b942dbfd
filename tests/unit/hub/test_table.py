"""The RPC table names exactly the methods that the server has, and nobody is let in by a gap in it."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from vigie.convention.parts import (
    ROLES,
)
from vigie.v1 import exchange_pb2
from vigie_hub import table
from vigie_hub.table import RULES, Time


def methods(descriptor: FileDescriptor) -> Iterator[tuple[str, bool]]:
    """(full name, whether it streams in either direction) of every method of every service of a file."""
    for service in descriptor.services_by_name.values():
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method.client_streaming or method.server_streaming


def all_methods() -> dict[str, bool]:
    files = (exchange_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
    return {name: streams for file in files for name, streams in methods(file)}


def test_the_table_has_every_method_and_no_other() -> None:
    assert set(RULES) == set(all_methods())


def test_only_streams_are_without_a_deadline() -> None:
    for name, streams in all_methods().items():
        assert (RULES[name].time is Time.STREAM) == streams, name


def test_every_rule_names_roles_that_exist_and_none_is_empty() -> None:
    for name, rule in RULES.items():
        assert rule.roles and rule.roles <= ROLES, name


@pytest.mark.parametrize("name", [name for name in RULES if ".Operator/" in name])
def test_operating_is_for_the_hub_alone(name: str) -> None:
    assert RULES[name].roles == table.HUB


@pytest.mark.parametrize("name", [name for name in RULES if ".Deposit/" in name or ".Results/" in name])
def test_the_hub_and_the_auditor_neither_deposit_nor_fetch_results(name: str) -> None:
    assert not RULES[name].roles & {"hub", "auditor"}
