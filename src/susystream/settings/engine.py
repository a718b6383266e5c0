"""Who scores and counts, as settings.

In: the group `evaluate/engine`. Out: one class for each engine.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from susystream.settings.base import Group, Seconds


class LocalEngine(Group):
    """Threads of this process."""

    name: Literal["local"] = "local"


class SparkEngine(Group):
    """Workers of Spark, on this machine or a cluster.

    Attributes:
        master: `local[*]`, `spark://host:port`, or what else Spark takes.
        memory: Of the driver and of each executor.
        timeout_seconds: Within which the first task must have run on a worker.
        options: More settings of Spark, by its own names.
    """

    name: Literal["spark"] = "spark"
    master: Annotated[str, Field(min_length=1)] = "local[*]"
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*[kmgt]$")] | None = None
    timeout_seconds: Seconds = 90.0
    options: dict[str, str | bool | int | float] = Field(default_factory=dict)

    @field_validator("master", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or "local[*]"  # of an empty variable of the environment

    @field_validator("options", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @field_validator("options")
    @classmethod
    def _names_of_spark(cls, value: dict[str, object]) -> dict[str, object]:
        wrong = [name for name in value if not name.startswith("spark.")]
        if wrong or "spark.master" in value:
            raise ValueError("expected names that begin with spark., and the master as master")
        return value

    @property
    def spark_options(self) -> dict[str, str]:
        """The options as Spark reads them."""
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.options.items()
        }


EngineSettings = Annotated[LocalEngine | SparkEngine, Field(discriminator="name")]
