"""The enclave-like process: opens sealed lots for one order, joins, scores, and seals results for their recipients.

It is a program of its own (``python -I -B -m vigie_hub.enclave FD``) that speaks to the hub host over one inherited
socket and exits when its run is signed.  It imports :mod:`vigie` and itself, nothing of the host.  The pure parts --
:mod:`~vigie_hub.enclave.features`, :mod:`~vigie_hub.enclave.model`, :mod:`~vigie_hub.enclave.authorise` -- take tables
keyed by any fixed-order key, so that a reference computed in clear uses the same functions.
"""
