"""What the notes of several stages hold.

In: settings, what of them is not as usual, ids. Out: pieces of Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable

from susystream.settings import Settings
from susystream.stages.context import StageContext
from susystream.stages.markdown import code
from susystream.stages.naming import differing, shown

_USUAL_HOME = ".susystream"


def different(context: StageContext, stage: str, *, within_a_chain: bool = False) -> str:
    """What is not as the defaults have it; nothing if nobody said what is."""
    if context.differs is None:
        return ""
    found = differing(context, stage, within_a_chain=within_a_chain)
    told = listed(f"{name}={shown(value)}" for name, value in found.items())
    return f"Differs from the defaults: {told}." if told else "All settings are the defaults."


def of_model(settings: Settings, model_id: str) -> list[str]:
    """Commands that look further into a model."""
    return [
        command(settings, f"models show {model_id}"),
        command(settings, f"models verify {model_id}"),
        f"susystream run stage=evaluate evaluate.models={model_id}",
    ]


def command(settings: Settings, words: str) -> str:
    """A command that finds the store of these settings, if that is an embedded one elsewhere."""
    elsewhere = settings.registry.uri is None and str(settings.home) != _USUAL_HOME
    return f"susystream {words}" + (f" --home {settings.home}" if elsewhere else "")


def listed(names: Iterable[object]) -> str:
    """Names as they stand, in a row."""
    return ", ".join(code(name) for name in names)
