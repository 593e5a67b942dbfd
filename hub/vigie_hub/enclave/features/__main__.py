"""``python -m vigie_hub.enclave.features``: print docs/features.md."""

import sys

from vigie_hub.enclave.features.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
