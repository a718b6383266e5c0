"""The garbage collector's rest."""

from __future__ import annotations

import gc
import weakref

import pytest

from susystream.collector import collecting_new_only


class Knot:
    """An object that only the collector can end."""

    def __init__(self) -> None:
        self.itself = self


def test_old_objects_are_left_alone_and_new_garbage_is_collected() -> None:
    old = Knot()
    old_gone = weakref.ref(old)
    with collecting_new_only():
        del old
        new_gone = weakref.ref(Knot())
        gc.collect()
        assert (new_gone(), old_gone() is None) == (None, False)
    gc.collect()
    assert old_gone() is None


def test_it_ends_with_an_error_too() -> None:
    at_start = gc.get_freeze_count()
    with pytest.raises(RuntimeError), collecting_new_only():
        raise RuntimeError
    assert gc.get_freeze_count() <= at_start


def test_the_outermost_one_undoes_it() -> None:
    at_start = gc.get_freeze_count()
    with collecting_new_only():
        with collecting_new_only():
            pass
        assert gc.get_freeze_count() > at_start
    assert gc.get_freeze_count() <= at_start
