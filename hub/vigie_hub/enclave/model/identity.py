"""What a company is by its content alone: a digest of everything that training and evaluation read of it.

Companies stand in the training matrix in the order of these digests.  So neither the order of the rows nor the part of a
company (fit, calibration, test) depends on its key, and two exchanges with other keys train on the same bytes.  Two
companies of equal digest are equal in every value that is used, and are always in the same part.
"""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

BYTES: Final = 16


def digests(
    values: npt.NDArray[np.float64],
    labels: npt.NDArray[np.uint8],
    month: npt.NDArray[np.int32],
    starts: npt.NDArray[np.intp],
    facts: npt.NDArray[np.int32],
) -> list[bytes]:
    """A digest for each company.

    Args:
        values: labelled rows of all companies, those of a company together and in the order of their months; unknown is
            one NaN, and there is no -0.
        labels: their outcomes.
        month: their months.
        starts: where the rows of each company begin.
        facts: what else is used of each company, one row each: month of the proceeding, sector, département.
    """
    values = np.ascontiguousarray(values)
    ends = [*starts[1:].tolist(), len(month)][: len(starts)]  # a group without a labelled row has no company here
    found = []
    for place, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        one = hashlib.blake2b(digest_size=BYTES)
        one.update(facts[place].astype("<i4").tobytes())
        one.update(month[start:end].astype("<i4").tobytes())
        one.update(labels[start:end].tobytes())
        one.update(values[start:end].tobytes())
        found.append(one.digest())
    return found
