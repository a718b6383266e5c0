"""Which recipes have which report.

In: a recipe's name. Out: its report: declared in a module of its own, or the one that shows test
sets or trials.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from susystream.errors import SettingsError
from susystream.reports import continual, ensemble, low_vs_high, seed_report, width_search
from susystream.reports.form import Report
from susystream.reports.standard import report_without_declaration

_MODULES = (seed_report, low_vs_high, width_search, ensemble, continual)
_DECLARED: dict[str, Report] = {one.REPORT.recipe: one.REPORT for one in _MODULES}


def report_of(recipe: str, *, recipes: Sequence[str]) -> Report:
    """The report of a recipe.

    Args:
        recipe: Its name.
        recipes: All that there are.

    Raises:
        SettingsError: There is no such recipe; the nearest names are listed.
    """
    if recipe not in recipes:
        near = difflib.get_close_matches(recipe, recipes, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise SettingsError(
            f"unknown recipe {recipe!r}: expected one of {', '.join(recipes)}{hint}"
        )
    return _DECLARED.get(recipe) or report_without_declaration(recipe)
