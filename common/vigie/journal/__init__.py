"""The formats of the exchange journal: Merkle tree, checkpoint, receipt and witness, all pure (C2SP tlog family).

Nothing in `merkle`, `checkpoint`, `proof` and `witness` reads a clock, a disk or a network.
"""
