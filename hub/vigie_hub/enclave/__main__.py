"""``python -I -B -m vigie_hub.enclave FD``: the enclave process.

The first layers go on before anything that could start a thread is imported.
"""

import gc
import os
import sys

from vigie_hub.enclave import sandbox

if __name__ == "__main__":
    sandbox.apply(sandbox.EARLY)

    # What is imported stays until the end: looking through it for garbage again and again is a tenth of the start.
    gc.disable()
    from vigie_hub.enclave.main import main

    gc.freeze()
    gc.enable()

    # Straight out: no exit handler of a library runs with keys in memory.
    os._exit(main(sys.argv[1:]))
