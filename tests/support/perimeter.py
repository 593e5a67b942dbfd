"""The section ``[perimeter]`` of a convention for tests: the one that docs/spec/perimeter.md shows, or with changes."""

import tomllib
from pathlib import Path
from typing import Any

from vigie.convention import PerimeterRule

PAGE = Path(__file__).parents[2] / "docs" / "spec" / "perimeter.md"


def section(**changes: Any) -> dict[str, Any]:
    """The page's section, with some keys changed."""
    text = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    return {**tomllib.loads(text)["perimeter"], **changes}


def rule_of(table: dict[str, Any]) -> PerimeterRule:
    """The rule that such a section says."""
    values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in table.items()}
    return PerimeterRule(**values)
