"""The host's side of the enclave's isolation: how it is started in each mode, and what is seen of it from outside."""
