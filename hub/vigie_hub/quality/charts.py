"""Small charts as inline SVG: no script, no font, nothing from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 460
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 44
_COLOURS: Final = ("#1a4d8f", "#c2410c")

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A line or dots through points whose coordinates are 0 to 1."""

    name: str
    points: Sequence[Point]
    dots: bool = True
    dashed: bool = False


def lines(across: str, upwards: str, drawn: Sequence[Line], *, top: float = 1.0) -> str:
    """A chart of lines over the unit square; ``top`` is the value at the upper edge, of ``upwards``."""
    inside_width, inside_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(point: Point) -> Point:
        x, y = point
        return _LEFT + min(max(x, 0.0), 1.0) * inside_width, _TOP + (1 - min(max(y / top, 0.0), 1.0)) * inside_height

    parts = [_frame(across, upwards)]
    for step in range(5):
        share = step / 4
        x, y = place((share, share * top))
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{share * 100:g} %</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * top * 100:.3g} %</text>')
    for one, colour in zip(drawn, _COLOURS, strict=False):
        at = [place(point) for point in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        dash = ' stroke-dasharray="4 4"' if one.dashed else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if one.dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
    legend = [
        f'<text x="{WIDTH - _RIGHT - 6}" y="{_TOP + 16 + 15 * row}" text-anchor="end" fill="{colour}">{escape(one.name)}</text>'
        for row, (one, colour) in enumerate(zip(drawn, _COLOURS, strict=False))
    ]
    return _svg("".join([*parts, *legend]), HEIGHT, f"{upwards} / {across}")


def bars(rows: Sequence[tuple[str, float, str]], *, title: str, marks: Sequence[float] = ()) -> str:
    """Horizontal bars: name, value from 0 on, text beside it.  ``marks`` are values at which a line is drawn."""
    height = 24 * len(rows) + 16
    most = max([*(value for _, value, _ in rows), *marks, 1e-9])
    start, room = 210, WIDTH - 210 - 60
    parts = []
    for row, (name, value, text) in enumerate(rows):
        y = 8 + 24 * row
        width = max(value, 0.0) / most * room
        parts.append(f'<text x="{start - 8}" y="{y + 14}" text-anchor="end">{escape(name[:32])}</text>')
        parts.append(f'<rect x="{start}" y="{y + 3}" width="{width:.1f}" height="15" fill="{_COLOURS[0]}"/>')
        parts.append(f'<text x="{start + width + 5:.1f}" y="{y + 14}">{escape(text)}</text>')
    for mark in marks:
        x = start + mark / most * room
        parts.append(
            f'<line x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{height - 4}" stroke="{_COLOURS[1]}" stroke-dasharray="4 4"/>'
        )
    return _svg("".join(parts), height, title)


def _frame(across: str, upwards: str) -> str:
    middle = _TOP + (HEIGHT - _TOP - _BOTTOM) / 2
    return (
        f'<rect x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}" height="{HEIGHT - _TOP - _BOTTOM}" '
        'fill="none" stroke="#999"/>'
        f'<text x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(upwards)}</text>'
    )


def _svg(content: str, height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" font-size="11" font-family="sans-serif">{content}</svg>'
    )
