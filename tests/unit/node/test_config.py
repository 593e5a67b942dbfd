"""node.toml: what is written is read back, and whatever is not a setting is refused in words."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.errors import ConfigError
from vigie_node.config import Limits, NodeConfig, check_address, parse_config, write_config

GOOD = NodeConfig(
    "acoss", "exchange.example:8443", Path("../keys/acoss.keyring"), "manual", Limits(batch=100, workers=2)
)


def test_written_is_read_back() -> None:
    assert parse_config(write_config(GOOD)) == GOOD


def test_defaults() -> None:
    read = parse_config('[node]\nmember = "acoss"\nhub = "[::1]:1"\nkeyring = "k"\n')
    assert (read.policy, read.limits) == ("auto", Limits())


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ('member = "acoss"', 'member = "Acoss"', "not a name of a member"),
        ('member = "acoss"', "", "member is missing"),
        ('hub = "exchange.example:8443"', 'hub = "exchange.example"', "must be host:port"),
        ('hub = "exchange.example:8443"', 'hub = "exchange.example:99999"', "must be host:port"),
        ('policy = "manual"', 'policy = "always"', '"auto" or "manual"'),
        ('policy = "manual"', 'polcy = "manual"', "'polcy' is not a setting"),
        ('policy = "manual"', 'hub_certificate = "x"', "'hub_certificate' is not a setting"),
        ("batch = 100", "batch = 5000", "1 to 4096"),
        ("batch = 100", "batch = true", "1 to 4096"),
        ("batch = 100", "batsh = 100", "'batsh' is not a setting"),
        ("[limits]", "[limit]", "'limit' is not a setting"),
        ("[node]", "[node", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said(line: str, instead: str, said: str) -> None:
    text = write_config(GOOD)
    assert line in text
    with pytest.raises(ConfigError, match=said):
        parse_config(text.replace(line, instead))


@given(st.text())
def test_only_our_error_escapes(text: str) -> None:
    try:
        parse_config(text)
    except ConfigError:
        return
    assert tomllib.loads(text)["node"]["member"]


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1))
def test_any_path_survives(path: str) -> None:
    config = replace(GOOD, keyring=Path(path))
    assert parse_config(write_config(config)).keyring == Path(path)


@given(st.text())
def test_an_address_is_host_and_port(address: str) -> None:
    try:
        check_address(address, where="--hub")
    except ConfigError:
        return
    assert 0 < int(address.rpartition(":")[2]) < 65_536
