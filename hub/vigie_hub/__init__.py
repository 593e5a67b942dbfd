"""The hub: it takes in sealed lots, keeps the journal, relays between nodes and starts the enclave.

The host side moves sealed things and decides nothing about their content; only ``vigie_hub.enclave`` opens them, and it
imports nothing else of this package.
"""
