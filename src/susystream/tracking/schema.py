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
    """The versions of the schema that the installed MLflow knows, its own first."""
    from mlflow.store.db import utils  # it has the library that reads its own scripts

    config = utils._get_alembic_config(db_url="")  # type: ignore[no-untyped-call]
    found = utils.ScriptDirectory.from_config(config)  # type: ignore[attr-defined]
    return tuple(one.revision for one in found.walk_revisions())


def upgrade_cure(uri: str, schema: str) -> str:
    """What helps when another version of MLflow made the database.

    Args:
        uri: Its address.
        schema: The version of its schema; MLflow knows its own and those before.
    """
    if schema in known_schemas():
        return f"back up the database, then: mlflow db upgrade {shlex.quote(public_uri(uri))}"
    return (
        "a newer MLflow made it: upgrade mlflow here (python -m pip install --upgrade mlflow), or "
        "name another database (tracking.uri)"
    )
