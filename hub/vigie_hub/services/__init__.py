"""The services of the hub on the wire: thin codecs, each call is parse, ask the domain, encode.

The only modules of the hub host that see generated messages (with :mod:`vigie_hub.frames`).
"""
