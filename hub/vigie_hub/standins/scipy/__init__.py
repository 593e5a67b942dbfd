"""In the place of SciPy: see :mod:`vigie_hub.standins`."""
