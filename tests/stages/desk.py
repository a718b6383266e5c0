"""The type of the fixture `opened`, for the tests of the stages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

from susystream.stages.context import StageContext

Open: TypeAlias = Callable[..., AbstractContextManager[StageContext]]
