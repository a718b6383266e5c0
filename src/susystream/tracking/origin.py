"""What a run says of the code that it is of, and of the person who started it.

In: this process. Out: tags.
"""

from __future__ import annotations

import getpass

from susystream import __version__
from susystream.tracking.code import code_state, library_versions, machine


def origin_tags() -> dict[str, str]:
    """Commit and versions; MLflow's own tag too, by which its UI shows them."""
    commit, dirty = code_state()
    tags = {"commit": commit, "dirty": str(dirty).lower(), "version": __version__}
    tags["machine"] = machine()
    tags["libraries"] = " ".join(f"{name}={one}" for name, one in library_versions().items())
    return tags if commit == "unknown" else {**tags, "mlflow.source.git.commit": commit}


def user_tags() -> dict[str, str]:
    """The user's name, where there is one."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return {}
