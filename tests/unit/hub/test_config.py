"""``hub.toml``: what is written is read back, and nothing unknown is passed over."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.errors import ConfigError
from vigie_hub.config import FILE_NAME, HubConfig, Limits, load, text_of

WHOLE = text_of("hub", listen="127.0.0.1:0", keyring="hub.keyring", enclave="enclave")


def write(folder: Path, text: str) -> Path:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder


def test_what_init_writes_is_read_back(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE))
    assert config == HubConfig(
        tmp_path, "hub", listen="127.0.0.1:0", keyring=tmp_path / "hub.keyring", enclave=tmp_path / "enclave"
    )


def test_limits_are_read_and_the_rest_keep_their_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE + "open_lots = 3\n"))
    assert config.limits == Limits(open_lots=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[hub]\n",
        "member = 'hub'\n",
        WHOLE + "open_lot = 3\n",
        WHOLE + "open_lots = 0\n",
        WHOLE + "open_lots = '3'\n",
        WHOLE + "open_lots = true\n",
        WHOLE + "[other]\n",
        WHOLE.replace('member = "hub"', "member = 4"),
        WHOLE.replace("listen =", "address ="),
        WHOLE.replace('keyring = "hub.keyring"', "keyring = 1"),
        "limits = 3\n" + WHOLE.replace("[limits]", ""),
        "not toml [",
    ],
)
def test_anything_else_is_refused_with_the_file_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=FILE_NAME):
        load(write(tmp_path, text))


def test_a_folder_without_a_hub_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert "vigie-hub init" in caught.value.hint


@given(st.text(max_size=300))
def test_whatever_is_in_the_file_only_our_errors_come_out(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.raises(ConfigError):
        load(write(Path(folder), text.encode("utf-8", "ignore").decode()))


def test_every_limit_says_what_it_is() -> None:
    source = Path(__file__).resolve().parents[3] / "hub" / "vigie_hub" / "config.py"
    text = source.read_text(encoding="utf-8")
    for item in fields(Limits):
        after = text.split(f"    {item.name}: int = ", 1)[1].splitlines()[1]
        assert after.strip().startswith('"""'), item.name
