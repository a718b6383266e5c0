"""Selectors as queries, and documents as MongoDB takes them.

In: what a person types; plain data. Out: queries and orders; data whose keys hold no dot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

SELECTORS = "an id, an id's beginning, latest, name:…, run:…, best:<metric>, or a time"
_LOWER_IS_BETTER = ("loss", "log_loss", "brier")


def query(key: str, selector: str) -> tuple[dict[str, Any], list[tuple[str, int]] | None]:
    """What to look for, and in which order; no order means that only one may be found."""
    kind, mark, value = selector.partition(":")
    if selector == "latest":
        return {}, latest(key)
    if mark and value and kind == "run":
        return {"mlflow.run_id" if key == "model_id" else "run_id": value}, latest(key)
    if mark and value and kind == "name":
        return {"name": value}, latest(key)
    if mark and value and kind == "best":
        field = f"metrics.{escape(value)}"
        way = 1 if value.rpartition("/")[2] in _LOWER_IS_BETTER else -1
        return {field: {"$exists": True}}, [(field, way), *latest(key)]
    moment = _moment(selector)
    if moment:
        return {"created_at": {"$lte": moment}}, latest(key)
    # a range instead of a pattern: nothing a person types is a regular expression
    return {key: {"$gte": selector, "$lt": selector + "\uffff"}}, None


def latest(key: str) -> list[tuple[str, int]]:
    """The order that puts the latest first."""
    return [("created_at", -1), (key, -1)]


def _moment(text: str) -> str | None:
    """The UTC time as stored, if the text is a time."""
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return None
    if len(text) == len("2026-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return zoned.astimezone(timezone.utc).isoformat(timespec="microseconds")


def escape(key: str) -> str:
    """A key that MongoDB takes for a name: it reads dots as paths, a first dollar as command."""
    return key.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def _unescape(key: str) -> str:
    return key.replace("%24", "$").replace("%2E", ".").replace("%25", "%")


def _walk(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {rename(key): _walk(item, rename) for key, item in value.items()}
    return [_walk(item, rename) for item in value] if isinstance(value, list) else value


def escaped(value: dict[str, Any]) -> dict[str, Any]:
    """A document as it is stored."""
    return dict(_walk(value, escape))


def plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """A stored document as it was before it was stored."""
    return {_unescape(k): _walk(v, _unescape) for k, v in found.items() if k != "_id"}
