"""The companies that are looked at: worked out and shared by their owner, fetched and filtered by everybody else.

:mod:`.rule` works the perimeter out, :mod:`.extracts` gives it a delivery and :mod:`.file` is the list on disk; :mod:`.sharing`
and :mod:`.fetching` are the two sides of the hub; :mod:`.store` keeps what was verified and filters by it; :mod:`.seen` knows
of newer ones. The form that travels is :mod:`vigie.perimeter`.
"""
