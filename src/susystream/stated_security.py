"""Security settings as a person states them outside `conf/`.

In: names and values, a secret as `env:VARIABLE`. Out: the settings, secrets from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from susystream.disclosure import SHOWN_SECURITY
from susystream.errors import SettingsError

_FROM_ENVIRONMENT = "env:"


def stated_security(stated: Mapping[str, str], *, refusal: str) -> dict[str, str]:
    """The settings; a value may come from the environment, and a secret must.

    Args:
        stated: By Kafka's own names.
        refusal: What is wrong with a secret as text, and the cure; `{name}` is the setting's.

    Raises:
        SettingsError: A secret stands there as text, or its variable is not set.
    """
    found = {}
    for name, value in stated.items():
        variable = value.removeprefix(_FROM_ENVIRONMENT)
        if name not in SHOWN_SECURITY and variable == value:
            told = refusal.format(name=name)
            raise SettingsError(f"expected {name} from the environment, received it {told}")
        if variable != value and variable not in os.environ:
            raise SettingsError(
                f"expected environment variable {variable} for {name}, there is none; set it"
            )
        found[name] = os.environ[variable] if variable != value else value
    return found
