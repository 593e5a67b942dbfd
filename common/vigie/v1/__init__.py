"""The wire contract, version 1: generated from proto/vigie/v1 by scripts/gen-proto, never edited.

Only codecs and transports import it; everything else speaks in the types of the domain.
"""
