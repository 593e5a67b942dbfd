"""``python -m vigie.datasets``: print docs/spec/datasets.md."""

import sys

from vigie.datasets import BUILT_IN
from vigie.datasets.page import page

if __name__ == "__main__":
    sys.stdout.write(page(BUILT_IN.values()))
