"""Whether the reader of tensorflow-io can be had at all.

In: the environment. Out: nothing, or one line that says what to install. TensorFlow is not loaded.
"""

from __future__ import annotations

import importlib.util

from susystream.errors import ReaderUnsupported

CURE = "use stream/reader=kafka"


def require_tensorflow_io() -> None:
    """Looks for tensorflow-io.

    Raises:
        ReaderUnsupported: It is not installed.
    """
    if importlib.util.find_spec("tensorflow_io") is None:
        raise not_there()


def not_there() -> ReaderUnsupported:
    """The error for an environment without tensorflow-io."""
    return ReaderUnsupported(
        "expected the package tensorflow-io for stream/reader=tfio, received none; "
        f"pip install '.[tfio]' in the project's folder, or {CURE}"
    )
