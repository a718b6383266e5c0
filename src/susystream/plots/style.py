"""How every figure looks: the style of particle physics, one size of letters, safe colours.

In: a function that draws, or a text that somebody chose. Out: figures of that style, texts that
can be drawn. matplotlib keeps its settings in one table for the whole process: here they are
changed only while a figure is made or drawn, under a lock, and put back as they were.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from io import BytesIO
from typing import Any, ParamSpec, TypeAlias

import mplhep
from matplotlib import style as styles
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Figure  # other rooms name the type, not the library
from matplotlib.font_manager import FontProperties, fontManager, get_font

LineStyle: TypeAlias = str | tuple[float, tuple[float, ...]]

# Okabe and Ito's colours are told apart with every kind of colour vision; the line styles help
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000")
STYLES: tuple[LineStyle, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BACKGROUND, SIGNAL = BLUE, VERMILION  # the two classes, in every figure
GREY = "0.45"
FONT = 14
SMALL = 12
DPI = 120
_FONTS = (
    "TeX Gyre Heros",
    "DejaVu Sans",
)  # shipped with mplhep and matplotlib; the second has more
_STYLE: dict[str, Any] = {
    **mplhep.style.ROOT,
    "font.family": list(_FONTS),
    "font.size": FONT,
    "figure.dpi": DPI,
    "axes.linewidth": 1.2,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,  # whole values, not differences from one in a corner
    "axes.axisbelow": True,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "patch.linewidth": 1.8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 7,
    "ytick.major.size": 7,
    "xtick.minor.size": 3.5,
    "ytick.minor.size": 3.5,
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.handlelength": 3.8,  # twice the longest of the dashes
    "legend.labelspacing": 0.35,
    "errorbar.capsize": 0,
}
_LOCK = threading.RLock()
_P = ParamSpec("_P")


class Picture(Figure):
    """A figure that is drawn in the style it was made in; its canvas is no window.

    Args:
        width, height: In inches.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height))
        FigureCanvasAgg(self)

    def draw(self, renderer: Any) -> None:
        """Ticks are made here, and fonts are chosen."""
        with _styled():
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def styled(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """What the function draws has the style; nothing else has it, in no thread."""

    @wraps(draw)
    def drawing(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with _styled():
            return draw(*args, **kwargs)

    return drawing


@contextmanager
def _styled() -> Iterator[None]:
    with _LOCK, styles.context(_STYLE, after_reset=True):  # not as a matplotlibrc wants it
        yield


def shown(text: str, *, longest: int = 28) -> str:
    """A name that somebody chose, as it can stand in a figure.

    Signs that no font has become `?`; what matplotlib would take for a formula or for no entry of
    a legend is taken as it is; the middle of a long name is left out, for ends tell names apart.

    Example:
        >>> shown("a-name-that-somebody-gave-to-a-file.parquet", longest=20)
        'a-name-tha…e.parquet'
    """
    known = "".join(one if _can_draw(one) else "?" for one in " ".join(text.split()))
    if len(known) > longest:
        end = (longest - 1) // 2
        known = f"{known[: longest - 1 - end]}…{known[len(known) - end :]}"
    known = known.replace("\\", "/").replace("$", r"\$")
    return f" {known}" if known.startswith("_") else known


def _can_draw(sign: str) -> bool:
    return any(ord(sign) in signs for signs in _signs())


@cache
def _signs() -> tuple[frozenset[int], ...]:
    """The signs that each font has."""
    paths = [fontManager.findfont(FontProperties(family=[name])) for name in _FONTS]
    return tuple(frozenset(get_font(path).get_charmap()) for path in paths)
