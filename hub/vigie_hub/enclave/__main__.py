"""``python -I -S -B -m vigie_hub.enclave FD MODE UID``: the enclave process.

The first layers go on before anything that could start a thread is imported.
"""

import os
import sys

from vigie_hub.enclave.sandbox import started

if __name__ == "__main__":
    box = started(sys.argv[1:])
    if box is None:
        os._exit(2)
    box.begin()

    from vigie_hub.enclave.main import serve

    # Straight out: no exit handler of a library runs with keys in memory.
    os._exit(serve(box))
