"""``python -m vigie_node.extracts``: print docs/spec/extracts.md."""

import sys

from vigie_node.extracts.page import page
from vigie_node.extracts.registry import KINDS

if __name__ == "__main__":
    sys.stdout.write(page(KINDS.values()))
