"""TensorFlow and Keras, loaded in this one place without TensorFlow's start-up notices.

In: TF_CPP_MIN_LOG_LEVEL, 3 where it is not set. Out: the libraries, for the modules that use them.
Two shared libraries of TensorFlow 2.21 log while they are loaded, before they read that level; no
other setting reaches them.
"""

from __future__ import annotations

import os

from susystream.stderr import stderr_without

_NOTICES = (
    "All log messages before absl::InitializeLog() is called are written to STDERR",
    "] oneDNN custom operations are on. ",
    "] Could not find cuda drivers on your machine, GPU will not be used.",
)
_level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with stderr_without(() if _level == "0" else _NOTICES):  # 0: all are asked for
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import config, ops  # a switch off, a registry: not exported

__all__ = ["config", "keras", "ops", "tf"]
