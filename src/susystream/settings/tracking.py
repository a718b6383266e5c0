"""Where runs are tracked, as settings.

In: the group `tracking`. Out: one class.
"""

from __future__ import annotations

from pydantic import Field

from susystream.settings.base import Group, Seconds


class TrackingSettings(Group):
    """The MLflow server and experiment.

    Attributes:
        uri: The server's address.
        experiment: Where runs lie.
        system_metrics: Whether CPU, memory and disk are sampled.
        pictures: Whether runs get pictures: two or three seconds for a chain of four test sets.
        timeout_seconds: For a server to answer.
        patience_seconds: For a server that went away, before the command ends or begins a run.
    """

    uri: str = Field("sqlite:///mlflow.db", repr=False)
    experiment: str = Field("susystream", min_length=1)
    system_metrics: bool = True
    pictures: bool = True
    timeout_seconds: Seconds = 10.0
    patience_seconds: float = Field(30.0, ge=0, le=86_400, allow_inf_nan=False)
