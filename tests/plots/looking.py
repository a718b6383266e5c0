"""What a person would see of a figure, for the tests of the plots."""

from __future__ import annotations

import io
from itertools import combinations
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from susystream.evaluate.tally import Tally
from susystream.plots.style import Figure, _styled

LONG = "a-name-that-somebody-gave-to-a-file-and-that-no-axis-holds.parquet"


def events_of(
    rows: int, *, separation: float = 2.0, seed: int = 3
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Logits and labels."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.5).astype(np.uint8)
    logits = random.normal(size=rows) * 1.3 + separation * (labels - 0.5)
    return logits.astype(np.float32), labels


def tally_of(rows: int, *, separation: float = 2.0) -> Tally:
    return Tally.empty().update(*events_of(rows, separation=separation))


def two_events(background: float, signal: float) -> Tally:
    """By their logits."""
    logits, labels = np.array([background, signal], np.float32), np.array([0, 1], np.uint8)
    return Tally.empty().update(logits, labels)


def png(figure: Figure) -> bytes:
    """The picture; a warning while it is drawn is an error."""
    found = io.BytesIO()
    figure.savefig(found, format="png", dpi=120)
    return found.getvalue()


def texts(figure: Figure) -> list[str]:
    """Every text that is shown."""
    png(figure)
    return [one.get_text() for one in _shown(figure)]


def check_readable(figure: Figure) -> None:
    """No text leaves the figure or lies over another one."""
    assert png(figure)[:4] == b"\x89PNG"
    canvas = cast(FigureCanvasAgg, figure.canvas)
    with _styled():
        renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in _shown(figure)]
    width, height = canvas.get_width_height()
    for text, box in boxes:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{text!r} leaves the figure"
    for (first, one), (second, other) in combinations(boxes, 2):
        shared = Bbox.intersection(one, other)
        assert shared is None or min(shared.width, shared.height) < 4, f"{first!r} on {second!r}"


def _shown(figure: Figure) -> list[Text]:
    found = [one for one in figure.findobj(Text) if isinstance(one, Text)]
    hidden = {id(label) for axes in figure.axes for label in _not_drawn(axes)}
    return [
        one
        for one in found
        if one.get_visible() and one.get_text().strip() and id(one) not in hidden
    ]


def _not_drawn(axes: Axes) -> list[Text]:
    """Labels of ticks beyond the ends of an axis are kept, but not drawn."""
    found = []
    for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not axes.axison or not min(ends) <= tick.get_loc() <= max(ends):
                found += [tick.label1, tick.label2]
    return found


def steps(axes: Axes) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Values and edges of the histograms drawn as lines, in order."""
    outlines = [p for p in axes.patches if isinstance(p, StepPatch) and not p.get_fill()]
    found = [one.get_data() for one in outlines]
    return [(np.asarray(one[0]), np.asarray(one[1])) for one in found]


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]
