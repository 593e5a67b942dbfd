"""``python -m hostile NAME``: try one thing with no layer at all, and tell what came of it: the positive control."""

import sys

from . import PROBES, Refused, Unavailable, libraries


def tell(name: str) -> str:
    """Try; ``done``, or how it was refused."""
    try:
        PROBES[name].attempt()
    except (Refused, Unavailable) as refusal:
        return f"refused {refusal}"
    except (OSError, RuntimeError, MemoryError) as error:
        return f"refused {type(error).__name__}"
    return "done"


if __name__ == "__main__":
    if sys.argv[1] not in PROBES:
        libraries.register()
    print(tell(sys.argv[1]))
