"""Selectors as queries, and documents as MongoDB takes them.

In: what a person types; plain data. Out: queries and orders; data whose keys hold no dot.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from susystream.direction import less_is_better
from susystream.errors import NotFound
from susystream.registry.document import PROMOTED, UNPROVEN

PUBLISHED_AT = "published_at"  # beside a data set, for it changes; former stores have none
SELECTORS = {
    "dataset_id": "an id, its beginning, latest, name:…, run:… or a time (2026-01-31)",
    "model_id": "an id, its beginning, latest, promoted, name:…, run:…, best:<metric> or a time "
    "(2026-01-31T12:00+01:00)",
}
# Python versions differ in the forms they take for times: these, and no others
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIME = re.compile(
    rf"({_DATE.pattern}T{_CLOCK})(?::([0-5]\d)(?:\.(\d{{1,6}}))?)?(Z|[+-]{_CLOCK})?", re.ASCII
)


def query(key: str, selector: str) -> tuple[dict[str, Any], list[tuple[str, int]] | None]:
    """What to look for, and in which order; no order means that only one may be found.

    Raises:
        NotFound: The selector is empty, which begins every id.
    """
    if not selector:
        raise NotFound(f"expected {SELECTORS[key]}, received an empty text; name one")
    kind, mark, value = selector.partition(":")
    proven: dict[str, Any] = {"status": {"$ne": UNPROVEN}} if key == "model_id" else {}
    if selector == "latest":
        return proven, latest(key)
    if selector == PROMOTED and key == "model_id":
        return {"status": PROMOTED}, [("promoted_at", -1), *latest(key)]
    if mark and value and kind == "run":
        run = "mlflow.run_id" if key == "model_id" else "run_id"
        return {run: value, **proven}, latest(key)
    if mark and value and kind == "name":
        return {"name": value, **proven}, latest(key)
    if mark and value and kind == "best":
        field = f"metrics.{escape(value)}"
        way = 1 if less_is_better(value) else -1
        return {field: {"$exists": True}, **proven}, [(field, way), *latest(key)]
    moment = moment_of(selector)
    if moment:
        return {"created_at": {"$lte": moment}, **proven}, newest(key)
    # a range instead of a pattern: nothing a person types is a regular expression
    return {key: {"$gte": selector, "$lt": selector + "\uffff"}}, None


def latest(key: str) -> list[tuple[str, int]]:
    """The order that puts the latest first: of data sets the one that was published last.

    One that was published again is not registered again, for its events were found on the topic.
    """
    return [(PUBLISHED_AT, -1), *newest(key)] if key == "dataset_id" else newest(key)


def newest(key: str) -> list[tuple[str, int]]:
    """The order by when they came to be."""
    return [("created_at", -1), (key, -1)]


def near_selectors(selector: str, known: Sequence[tuple[str, str]]) -> list[str]:
    """What a person may have meant: ids, and `name:…`.

    Args:
        selector: What was typed and found nothing.
        known: Ids and names, the latest first.

    Returns:
        Those that begin alike, else those that look alike (upper and lower case are one).
    """
    ids = [one for one, _ in known]
    names = {name: f"name:{name}" for _, name in known}
    wanted = selector.removeprefix("name:").casefold()
    found = {one.casefold(): one for one in ids if not selector.startswith("name:")}
    found |= {name.casefold(): told for name, told in names.items()}
    begin = [told for text, told in found.items() if text.startswith(wanted) and wanted]
    alike = difflib.get_close_matches(wanted, list(found), n=3)
    return begin or [found[text] for text in alike]


def near_metrics(selector: str, known: Sequence[str]) -> list[str]:
    """Selectors of metrics whose names hold the one wanted, or look like it, else the usual."""
    wanted = selector.removeprefix("best:").casefold()
    ends = {name.rpartition("/")[2]: name for name in reversed(known)}
    holding = [name for name in known if wanted and wanted in name.casefold()]
    alike = difflib.get_close_matches(wanted, known, n=5)
    alike += [ends[one] for one in difflib.get_close_matches(wanted, list(ends), n=5)]
    usual = [name for name in known if name.endswith(("/auc", "/accuracy", "/loss"))]
    found = holding or list(dict.fromkeys(alike)) or usual or list(known)
    return [f"best:{name}" for name in found[:5]]


def moment_of(text: str, *, of_a_date: str = "23:59:59.999999") -> str | None:
    """The UTC time as stored, if the text is a time; a date is the end of its day."""
    if _DATE.fullmatch(text):
        text += f"T{of_a_date}"
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction, zone = found.groups(default="")
    whole = f"{minute}:{second or '00'}.{fraction:0<6}{zone.replace('Z', '') or '+00:00'}"
    try:
        moment = datetime.fromisoformat(whole).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # a 30th of February; before the year 1
        return None
    return moment.isoformat(timespec="microseconds")


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
