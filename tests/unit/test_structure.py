"""The laws of the house that import-linter's contracts cannot say without naming every module in advance.

The import graph is read from the sources by grimp, the library behind import-linter: every import statement counts,
those inside functions too.
"""

import copy
from collections.abc import Iterable
from fnmatch import fnmatchcase

import grimp
import pytest

# The codecs and transports: the only modules that may see generated messages. Each is thin: it converts at the edge and
# rejects what is malformed. Add a module here when it *is* such an edge, with a word on which one.
CODEC_MODULES = (
    "vigie.v1*",  # itself
    "vigie.wire*",  # errors <-> status, both sides
    "vigie.client*",  # calls made by a command
    "vigie.attend*",  # the stream that a node keeps open
    "vigie_hub.server*",  # where calls arrive
    "vigie_hub.services*",  # one servicer per service
    "vigie_hub.frames*",  # the host's end of the enclave's channel
    "vigie_hub.cli.*",  # the operator's calls, each made by the command that shows its answer
    "vigie_hub.enclave.channel*",  # the enclave's end of it
    "vigie_node.wire*",  # the calls of a partner's commands
)

# Which packages a package may import, itself apart.
FLOORS = {"vigie": set(), "vigie_hub": {"vigie"}, "vigie_node": {"vigie"}}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("vigie", "vigie_hub", "vigie_node", cache_dir=None)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def edges(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Every (importer, imported) pair of our own modules, sorted."""
    return sorted(
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    )


def upward(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports that leave a package for one that it does not stand on."""
    return [
        (importer, imported)
        for importer, imported in pairs
        if (top := importer.split(".")[0]) != (target := imported.split(".")[0]) and target not in FLOORS[top]
    ]


def out_of_the_enclave(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports by the enclave of anything else of the hub, whatever it is called."""
    return [
        (importer, imported)
        for importer, imported in pairs
        if within(importer, "vigie_hub.enclave")
        and within(imported, "vigie_hub")
        and not within(imported, "vigie_hub.enclave")
    ]


def out_of_the_contract(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports by generated code of anything but generated code."""
    return [
        (importer, imported)
        for importer, imported in pairs
        if within(importer, "vigie.v1") and not within(imported, "vigie.v1")
    ]


def messages_in_the_domain(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports of generated messages by a module that is not a codec or a transport."""
    return [
        (importer, imported)
        for importer, imported in pairs
        if within(imported, "vigie.v1") and not any(fnmatchcase(importer, pattern) for pattern in CODEC_MODULES)
    ]


LAWS = [upward, out_of_the_enclave, out_of_the_contract, messages_in_the_domain]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_tree_keeps_the_law(graph: grimp.ImportGraph, law: object) -> None:
    assert callable(law)
    assert law(edges(graph)) == []


@pytest.mark.parametrize(
    ("law", "importer", "imported"),
    [
        (upward, "vigie.planted", "vigie_hub"),
        (upward, "vigie.planted", "vigie_node"),
        (upward, "vigie_node.planted", "vigie_hub"),
        (upward, "vigie_hub.planted", "vigie_node"),
        (out_of_the_enclave, "vigie_hub.enclave.planted", "vigie_hub"),
        (out_of_the_enclave, "vigie_hub.enclave.planted", "vigie_hub.somewhere_new"),
        (out_of_the_contract, "vigie.v1.planted_pb2", "vigie"),
        (messages_in_the_domain, "vigie.planted", "vigie.v1.planted_pb2"),
        (messages_in_the_domain, "vigie_hub.enclave.planted", "vigie.v1"),
    ],
)
def test_a_planted_import_is_caught(graph: grimp.ImportGraph, law: object, importer: str, imported: str) -> None:
    assert callable(law)
    planted = copy.deepcopy(graph)
    found = law(edges(planted))
    for module in {importer, imported} - planted.modules:
        planted.add_module(module)
    planted.add_import(importer=importer, imported=imported)
    assert set(law(edges(planted))) - set(found) == {(importer, imported)}


def test_the_graph_is_that_of_this_tree(graph: grimp.ImportGraph) -> None:
    """A graph of nothing would keep every law."""
    assert {"vigie.errors", "vigie.v1", "vigie_hub", "vigie_node"} <= graph.modules
    assert any(within(imported, "vigie.errors") for _, imported in edges(graph))
