"""Size classes: the only sizes that anybody outside a seal gets to see (docs/spec/segment.md section 3).

The series is 4, 6, 8, 12, 16, 24, 32, 48 … : each power of two from 4 and one and a half times it, so that padding
costs less than half of the content and a size says little about it.
"""


def size_class(n: int, *, unit: int = 1024, cap: int | None = None) -> int:
    """The smallest of 4, 6, 8, 12, 16, 24 … times ``unit`` that is not below ``n``.

    Args:
        n: bytes of content, from 0.
        unit: what the series is counted in; 1024 for bytes.
        cap: the largest class allowed, when given.

    Raises:
        ValueError: ``n`` is negative or does not fit under ``cap`` (a mistake of the caller).
    """
    if n < 0:
        raise ValueError("a size is not negative")
    found = 4 * unit
    while found < n:
        # 4·2^k → 6·2^k → 8·2^k: times 3/2, then times 4/3.
        found = found * 3 // 2 if (found // unit).bit_count() == 1 else found * 4 // 3
    if cap is not None and found > cap:
        raise ValueError(f"{n} does not fit in the largest size class, {cap}")
    return found


def count_class(n: int) -> int:
    """0 for 0, otherwise the smallest of 4, 6, 8, 12, 16, 24 … that is not below ``n``.

    Raises:
        ValueError: ``n`` is negative (a mistake of the caller).
    """
    return 0 if n == 0 else size_class(n, unit=1)
