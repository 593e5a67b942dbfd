"""The section ``[perimeter]`` of a convention for tests: the one that docs/spec/perimeter.md shows, or with changes."""

import tomllib
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "spec" / "perimeter.md"


def section(**changes: Any) -> dict[str, Any]:
    """The page's section, with some keys changed."""
    text = PAGE.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    return {**tomllib.loads(text)["perimeter"], **changes}
