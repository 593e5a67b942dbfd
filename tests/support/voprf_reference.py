"""A second, slow reading of RFC 9497 (VOPRF mode) over ristretto255 (RFC 9496), in plain Python, for comparison only.

It is not constant-time and must never hold a real key.
"""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"

Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def is_negative(x: int) -> bool:
    return x % P % 2 == 1


def absolute(x: int) -> int:
    return -x % P if is_negative(x) else x % P


def sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """RFC 9496 section 4.2."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    flipped = check in (-u % P, -u * SQRT_M1 % P)
    if flipped:
        r = r * SQRT_M1 % P
    return check in (u % P, -u % P), absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
SQRT_AD_MINUS_ONE = P - sqrt_ratio(-D - 1, 1)[1]  # the odd root, as RFC 9496 section 4.1 lists it


def add(a: Point, b: Point) -> Point:
    m, n = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    c, d = 2 * D * a[3] * b[3], 2 * a[2] * b[2]
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def decode(data: bytes) -> Point:
    """RFC 9496 section 4.3.1."""
    s = int.from_bytes(data, "little")
    assert len(data) == 32 and s < P and not is_negative(s)
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, inverse = sqrt_ratio(1, v * u2 * u2)
    x = absolute(2 * s * inverse * u2)
    y = u1 * inverse * inverse * u2 * v % P
    t = x * y % P
    assert square and not is_negative(t) and y
    return x, y, 1, t


def encode(point: Point) -> bytes:
    """RFC 9496 section 4.3.2."""
    x, y, z, t = point
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    inverse = sqrt_ratio(1, u1 * u2 * u2)[1]
    d1, d2 = inverse * u1 % P, inverse * u2 % P
    z_inverse = d1 * d2 * t % P
    if is_negative(t * z_inverse):
        x, y, d = y * SQRT_M1 % P, x * SQRT_M1 % P, d1 * INVSQRT_A_MINUS_D % P
    else:
        d = d2
    if is_negative(x * z_inverse):
        y = -y % P
    return absolute(d * (z - y)).to_bytes(32, "little")


BASE = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


def elligator(data: bytes) -> Point:
    """MAP of RFC 9496 section 4.3.4."""
    t = int.from_bytes(data, "little") % 2**255 % P
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P
    square, s = sqrt_ratio(u, v)
    if not square:
        s = -absolute(s * t) % P
    c = -1 if square else r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def expand(message: bytes, tag: bytes) -> bytes:
    """expand_message_xmd of RFC 9380 section 5.3.1 with SHA-512, 64 bytes."""
    tag += bytes([len(tag)])
    first = hashlib.sha512(bytes(128) + message + b"\0\x40\0" + tag).digest()
    return hashlib.sha512(first + b"\1" + tag).digest()


def hash_to_group(message: bytes) -> Point:
    uniform = expand(message, b"HashToGroup-" + CONTEXT)
    return add(elligator(uniform[:32]), elligator(uniform[32:]))


def hash_to_scalar(message: bytes, tag: bytes = b"HashToScalar-" + CONTEXT) -> int:
    return int.from_bytes(expand(message, tag), "little") % L


def framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def derive_key(seed: bytes, info: bytes) -> int:
    """RFC 9497 section 3.2.1."""
    return hash_to_scalar(seed + framed(info) + b"\0", b"DeriveKeyPair" + CONTEXT)


def evaluate(key: int, data: bytes) -> bytes:
    """RFC 9497 section 3.3.1, Evaluate and Finalize together."""
    element = encode(multiply(key, hash_to_group(data)))
    return hashlib.sha512(framed(data, element) + b"Finalize").digest()


def verify(public: bytes, blinded: list[bytes], evaluated: list[bytes], proof: bytes) -> bool:
    """RFC 9497 section 2.2.2."""
    seed = hashlib.sha512(framed(public, b"Seed-" + CONTEXT)).digest()
    m = z = IDENTITY
    for place, pair in enumerate(zip(blinded, evaluated, strict=True)):
        weight = hash_to_scalar(framed(seed) + place.to_bytes(2, "big") + framed(*pair) + b"Composite")
        m, z = (add(total, multiply(weight, decode(one))) for total, one in zip((m, z), pair, strict=True))
    c, s = int.from_bytes(proof[:32], "little"), int.from_bytes(proof[32:], "little")
    t2 = add(multiply(s, BASE), multiply(c, decode(public)))
    t3 = add(multiply(s, m), multiply(c, z))
    return c == hash_to_scalar(framed(public, encode(m), encode(z), encode(t2), encode(t3)) + b"Challenge")
