"""The partner's node: it reads extracts, pseudonymises and seals them, releases its own keys, and opens results.

It makes outbound connections only, and no clear row leaves it.
"""
