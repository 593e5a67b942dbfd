"""``python -m support.intruder NAME…``: try things with no layer at all, and tell what came of each: the positive control."""

import sys

from . import PROBES, libraries, tell

if __name__ == "__main__":
    if not PROBES.keys() >= set(sys.argv[1:]):
        libraries.register()
    for name in sys.argv[1:]:
        print(tell(name))
