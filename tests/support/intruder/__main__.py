"""``python -m support.intruder NAME``: try one thing with no layer at all, and tell what came of it: the positive control."""

import sys

from . import PROBES, libraries, tell

if __name__ == "__main__":
    if sys.argv[1] not in PROBES:
        libraries.register()
    print(tell(sys.argv[1]))
