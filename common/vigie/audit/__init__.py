"""The auditor's tools: take a copy of the exchange journal, and check it offline (docs/spec/journal-export.md).

:mod:`~vigie.audit.export` copies the journal into a folder of static files, :mod:`~vigie.audit.verify` checks such a
folder without any network, :mod:`~vigie.audit.compare` holds the copies of two members against each other.

The rule kept: everything that judges is pure. It takes bytes that whoever handed them over may have forged, never stops
at the first fault, and answers with a report; only what could not even be read raises.
"""
