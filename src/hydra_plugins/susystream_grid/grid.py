"""Hydra's own sweeper, by which each trial gets all that counts of what was typed.

In: overrides as typed. Out: the trials of the grid that was checked. Hydra's keeps the last of
each name, though a command that is no sweep merges two mappings, and a mapping into the option of
its group: what is typed first, or told by `--from-run`, would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

from susystream.sweeping.given import that_count
from susystream.sweeping.space import trials_of


class GridSweeper(BasicSweeper):
    """Stands in for `hydra/sweeper=basic`, whose settings it takes."""

    @staticmethod
    def split_arguments(
        overrides: Sequence[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """The overrides of each trial, in batches that are launched together.

        Args:
            overrides: Those of the sweeper's space, then those typed.
            max_batch_size: How many trials are in one; None: all.
        """
        trials = [*trials_of(that_count(overrides))]
        return [*BasicSweeper.split_overrides_to_chunks(trials, max_batch_size)]
