"""The classes of ``scipy.sparse`` that LightGBM names, none of which can be made."""

from typing import NoReturn


class spmatrix:  # noqa: N801 -- the name is SciPy's
    """Any sparse matrix."""

    def __new__(cls, *_arguments: object, **_options: object) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError("there are no sparse matrices in an enclave")


class csr_matrix(spmatrix):  # noqa: N801
    """Compressed rows."""


class csc_matrix(spmatrix):  # noqa: N801
    """Compressed columns."""
