"""What to say when nothing, or more than one thing, is found.

In: a collection and a selector. Out: one line with what a person may have meant.
"""

from __future__ import annotations

from typing import Any

from pymongo.collection import Collection

from susystream.errors import NotFound
from susystream.registry.document import PROMOTED
from susystream.registry.selectors import (
    SELECTORS,
    latest,
    near_metrics,
    near_selectors,
    plain,
)

_NEWEST = 1000
_KINDS = {  # what it is called, what makes one, what lists all
    "dataset_id": ("data set", "susystream run stage=publish", "susystream data list"),
    "model_id": ("model", "susystream run experiment=quickstart", "susystream models list"),
}


def not_found(of: Collection[dict[str, Any]], key: str, selector: str) -> NotFound:
    """With ids and names that begin alike or look alike, else the latest id."""
    if key == "model_id" and selector.startswith("best:"):
        return _no_such_metric(of, selector)
    if key == "model_id" and selector == PROMOTED:
        return NotFound(
            "expected a promoted model, received none; susystream models promote latest, or "
            "name another model"
        )
    newest = of.find({}, {key: 1, "name": 1}, sort=latest(key)).limit(_NEWEST)
    known = [(str(one[key]), str(one.get("name"))) for one in newest]
    kind, first, listed = _KINDS[key]
    if not known:
        return NotFound(
            f"expected a {kind}, received {selector!r} of a store that holds none yet; first, with "
            f"the same home or registry.uri: {first}"
        )
    near = near_selectors(selector, known)[:5]
    several = "one of several" if any(i.startswith(selector) for i, _ in known) else "unknown"
    return NotFound(
        f"expected a {kind} by {SELECTORS[key]}, received {selector!r} ({several}); "
        + (f"near it: {', '.join(near)}" if near else f"{listed} lists all, latest {known[0][0]}")
    )


def _no_such_metric(of: Collection[dict[str, Any]], selector: str) -> NotFound:
    newest = of.find({}, {"metrics": 1}, sort=latest("model_id")).limit(_NEWEST)
    known = sorted({name for one in newest for name in plain(one).get("metrics", {})})
    near = near_metrics(selector, known)
    return NotFound(
        f"expected best:<metric> of a metric that a model has, received {selector!r}; "
        + (f"near it: {', '.join(near)}" if near else "no model has one yet")
    )
