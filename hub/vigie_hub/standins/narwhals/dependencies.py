"""What LightGBM asks before it reads its input: an enclave's are NumPy arrays and lists, which are neither."""


def is_into_dataframe(_data: object) -> bool:
    """Whether it is a data frame of some library: never."""
    return False


def is_into_series(_data: object) -> bool:
    """Whether it is a column of some library: never."""
    return False
