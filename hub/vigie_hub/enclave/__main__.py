"""``python -I -S -B -m vigie_hub.enclave FD MODE UID``: the enclave process.

The first layers go on before anything that could start a thread is imported.
"""

import gc
import os
import sys

from vigie_hub.enclave.sandbox import started

if __name__ == "__main__":
    box = started(sys.argv[1:])
    if box is None:
        os._exit(2)
    box.begin()

    # What is imported stays until the end: looking through it for garbage again and again is a tenth of the start.
    gc.disable()
    from vigie_hub.enclave.main import serve

    gc.freeze()
    gc.enable()

    # Straight out: no exit handler of a library runs with keys in memory.
    os._exit(serve(box))
