"""In the place of narwhals: see :mod:`vigie_hub.standins`."""

from typing import NoReturn


class DataFrame:
    """Named in an annotation; none can be made."""

    def __new__(cls, *_arguments: object, **_options: object) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError("LightGBM is given arrays in an enclave, and no data frame")


def from_native(*_arguments: object, **_options: object) -> NoReturn:
    """Refuse.

    Raises:
        TypeError: always.
    """
    raise TypeError("LightGBM is given arrays in an enclave, and no data frame")
