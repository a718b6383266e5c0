"""The schemas of MLflow's databases.

In: the version of a database's schema. Out: whether the installed MLflow knows it, and what helps
where it is not its own.
"""

from __future__ import annotations

import shlex
from functools import cache

from susystream.settings import public_uri


@cache
def known_schemas() -> tuple[str, ...]:
    """The versions of the schema that the installed MLflow knows, its own first.

    Empty if it does not show them as it did: which they are is then nobody's to say but its own.
    """
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        from mlflow.store.db import utils

        config = utils._get_alembic_config(db_url="")  # type: ignore[no-untyped-call]
        found = ScriptDirectory.from_config(config)
        return tuple(one.revision for one in found.walk_revisions())
    except (ImportError, AttributeError, TypeError, CommandError):  # moved in another release
        return ()


def upgrade_cure(uri: str, schema: str) -> str:
    """What helps when another version of MLflow made the database.

    Args:
        uri: Its address.
        schema: The version of its schema; MLflow knows its own and those before.
    """
    older = f"back up the database, then: mlflow db upgrade {shlex.quote(public_uri(uri))}"
    if not known_schemas():
        return f"{older}; of a newer MLflow: upgrade mlflow here"
    if schema in known_schemas():
        return older
    return (
        "a newer MLflow made it: upgrade mlflow here (python -m pip install --upgrade mlflow), or "
        "name another database (tracking.uri)"
    )
