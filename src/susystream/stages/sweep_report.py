"""What a sweep found.

In: the outcomes of its trials. Out: the best one, a table and a picture, in the sweep's run.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from susystream.plots.style import Figure
from susystream.plots.sweep import parallel_coordinates_figure
from susystream.stages import markdown
from susystream.stages.objective import Objective
from susystream.stages.outcome import Outcome
from susystream.stages.trial import few_digits
from susystream.tracking.tracker import TrackedRun

_STATES = ("finished", "reused", "pruned", "failed", "interrupted")
_JUDGED = ("finished", "reused")
_SHORT = 8  # letters of a run id that lead to it
MOST_ROWS = 40  # of a table on the screen or in a note
_LONGEST_FIGURE = 16
_MOST_NUMBERS = 10  # of trials that are told in one line


def best(found: Sequence[Outcome], objective: Objective) -> Outcome | None:
    """The best finished trial, the first of equals; None where none can be judged."""
    judged = [one for one in ranked(found, objective) if _judged(one) is not None]
    return judged[0] if judged else None


def ranked(found: Sequence[Outcome], objective: Objective) -> list[Outcome]:
    """The best first; behind them those that were ended early; those without a value last."""
    sign = -1 if objective.maximize else 1

    def key(one: Outcome) -> tuple[bool, bool, float]:
        value = _finite(one)
        return value is None, _judged(one) is None, sign * (value or 0.0)

    return sorted(found, key=key)


def _finite(one: Outcome) -> float | None:
    value = one.objective
    return value if value is not None and math.isfinite(value) else None


def _judged(one: Outcome) -> float | None:
    """What it is compared by; a trial that was ended early is no match for others."""
    return _finite(one) if one.state in _JUDGED else None


def log(
    run: TrackedRun, found: Sequence[Outcome], objective: Objective, *, place: str | None = None
) -> None:
    """Into the sweep's run: figures, the best trial, `trials.csv`, a note, a picture.

    Args:
        run: Open.
        found: All trials.
        objective: By which one is the best.
        place: Of the run in the UI: its trials lie beside it.
    """
    counts = {state: sum(one.state == state for one in found) for state in _STATES}
    run.log_metrics({f"sweep/{state}": float(count) for state, count in counts.items()})
    run.log_artifact_text("trials.csv", table(found, objective))
    leader = best(found, objective)
    if leader is not None and parameters(found):
        run.log_figure("plots/parallel_coordinates.png", partial(picture, found, objective))
    if leader is not None and leader.objective is not None:
        run.log_metrics({f"best/{objective.name}": leader.objective})
        run.log_params({"best": {"trial": leader.number, **leader.parameters}}, known={})
        run.set_tags(_tags(leader))
    run.set_note(note(found, objective, place=place))


def picture(found: Sequence[Outcome], objective: Objective) -> Figure:
    """All trials; only those that can be the best reach the objective.

    Args:
        found: With a best one.
        objective: With a name.
    """
    name = str(objective.name)
    points = [_values(one) for one in found]
    for point, one in zip(points, found, strict=True):
        if (value := _judged(one)) is not None:
            point[name] = value
    without = Counter(_fate(one) for one in found if _judged(one) is None)
    return parallel_coordinates_figure(
        points, objective=name, maximize=objective.maximize, without=without
    )


def _fate(one: Outcome) -> str:
    """What became of a trial that cannot be the best."""
    return "without a result" if one.state in _JUDGED else one.state


def _values(one: Outcome) -> dict[str, float | str]:
    """Its parameters, numbers as numbers."""
    return {name: _number(value) for name, value in one.parameters.items()}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _tags(leader: Outcome) -> dict[str, str]:
    ids = {"best_run_id": leader.run_id, "best_model_id": ",".join(leader.model_ids)}
    return {name: one for name, one in ids.items() if one}


def plain(one: Outcome) -> dict[str, Any]:
    """A trial in `result.json`; its figures lie in its own."""
    seconds = one.seconds if math.isfinite(one.seconds) else None
    told = {**asdict(one), "seconds": seconds}
    return {name: value for name, value in told.items() if name != "metrics"}


def table(found: Sequence[Outcome], objective: Objective) -> str:
    """All trials as CSV, the best first."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    names = parameters(found)
    rows.writerow(
        ["trial", *names, objective.name or "objective", "state", "seconds", "run_id", "error"]
    )
    for one in ranked(found, objective):
        cells = [one.parameters.get(name, "") for name in names]
        value = "" if one.objective is None else repr(one.objective)
        seconds = _seconds(one, decimals=2)
        rows.writerow([one.number, *cells, value, one.state, seconds, one.run_id, one.error])
    return written.getvalue()


def parameters(found: Sequence[Outcome]) -> list[str]:
    """What the trials differ in, in the order of the first that has it."""
    return list(dict.fromkeys(name for one in found for name in one.parameters))


def note(found: Sequence[Outcome], objective: Objective, *, place: str | None = None) -> str:
    """A Markdown summary; arguments as of `log`."""
    shown = ranked(found, objective)[:MOST_ROWS]
    head, cells = columns(found, shown, objective)
    rows = [
        [*map(markdown.plain, row), _linked(one.run_id, place)]
        for row, one in zip(cells, shown, strict=True)
    ]
    errors = {one.number: one.error or "" for one in found if one.state == "failed"}
    failed = [f"- {whose}: {markdown.plain(why)}" for whose, why in merged(errors)]
    return markdown.paragraphs(
        [
            _summary(found, objective),
            markdown.table([*map(markdown.plain, head), "run"], rows),
            "\n".join(failed),
        ]
    )


def _summary(found: Sequence[Outcome], objective: Objective) -> str:
    """What matters most: the UI folds all but some lines."""
    counts = Counter[str](one.state for one in found)
    told = ", ".join(f"{counts[state]:,} {state}" for state in _STATES if counts[state])
    trials = f"{len(found):,} {'trial' if len(found) == 1 else 'trials'}: {told}."
    leader = best(found, objective)
    if leader is None or leader.objective is None:
        return trials if found else ""
    chosen = " ".join(f"{name}={few_digits(one)}" for name, one in leader.parameters.items())
    figure = _figure(leader.objective, _decimals(found, objective))
    told = f"{markdown.plain(objective.name)} **{figure}**"
    return f"Best {told} in trial {leader.number}: {markdown.code(chosen)}. {trials}"


def _linked(run_id: str | None, place: str | None) -> str:
    if run_id is None or place is None:
        return markdown.code(run_id) if run_id else ""
    return markdown.link(run_id[:_SHORT], f"{place.rpartition('/')[0]}/{run_id}")


def _decimals(found: Sequence[Outcome], objective: Objective) -> int:
    """One number of decimals for all: five digits of the best value; none of whole numbers."""
    ordered = (_finite(one) for one in ranked(found, objective))
    values = [abs(value) for value in ordered if value]  # of 0 no digit comes first
    if all(value.is_integer() for value in map(float, values)):
        return 0
    return max(0, 4 - math.floor(math.log10(values[0])))


def _figure(value: float, decimals: int) -> str:
    """A trial that went astray is told by its size."""
    text = f"{value:.{decimals}f}"
    return text if len(text) <= _LONGEST_FIGURE else f"{value:.4e}"


def columns(
    found: Sequence[Outcome], shown: Sequence[Outcome], objective: Objective
) -> tuple[list[str], list[list[str]]]:
    """Heads and cells, the seconds last; no column of a figure that no trial has.

    Args:
        found: All trials.
        shown: Those that get a row.
        objective: As of `log`.
    """
    names, decimals = parameters(found), _decimals(found, objective)
    judged = [objective.name or "objective"] if are_judged(found) else []
    head = ["trial", *names, *judged, "state", "seconds"]
    return head, [_cells(one, names, decimals if judged else None) for one in shown]


def are_judged(found: Sequence[Outcome]) -> bool:
    """Whether any has a figure to be judged by."""
    return any(one.objective is not None for one in found)


def _cells(one: Outcome, names: Sequence[str], decimals: int | None) -> list[str]:
    """Of a trial; `decimals` of its figure, None where no trial has one."""
    value = "" if one.objective is None else _figure(one.objective, decimals or 0)
    chosen = [few_digits(one.parameters.get(name, "")) for name in names]
    figure = [] if decimals is None else [value]
    return [str(one.number), *chosen, *figure, one.state, _seconds(one, decimals=1)]


def _seconds(one: Outcome, *, decimals: int) -> str:
    """Empty where they are not known."""
    return f"{one.seconds:.{decimals}f}" if math.isfinite(one.seconds) else ""


def merged(reasons: Mapping[int, str]) -> list[tuple[str, str]]:
    """Reasons with the trials they are of, each once: what ended one may have ended many.

    Args:
        reasons: By the trial's number.

    Example:
        >>> merged({0: "no such data", 2: "no such data", 3: "no room"})
        [('trials 0, 2', 'no such data'), ('trial 3', 'no room')]
    """
    numbers: dict[str, list[int]] = {}
    for number, reason in reasons.items():
        numbers.setdefault(reason, []).append(number)
    return [(_trials(of), reason) for reason, of in numbers.items()]


def _trials(numbers: Sequence[int]) -> str:
    return f"{'trial' if len(numbers) == 1 else 'trials'} {listed(numbers)}"


def listed(numbers: Sequence[int]) -> str:
    """Numbers of trials in a line, the first ten of them."""
    more = ["…"] if len(numbers) > _MOST_NUMBERS else []
    return ", ".join([*map(str, numbers[:_MOST_NUMBERS]), *more])
