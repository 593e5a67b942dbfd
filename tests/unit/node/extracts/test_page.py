"""The reference page of the extracts is what the declarations say."""

from pathlib import Path

from vigie_node.extracts.page import page
from vigie_node.extracts.registry import KINDS

PAGE = Path(__file__).parents[4] / "docs" / "spec" / "extracts.md"


def test_the_page_is_made_from_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(KINDS.values()), (
        "python -m vigie_node.extracts > docs/spec/extracts.md"
    )


def test_every_type_and_every_column_is_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for kind in KINDS.values():
        assert f"\n## {kind.name}: " in text
        for layout in kind.layouts:
            assert all(f"`{field.name}`" in text for field in layout.fields)
