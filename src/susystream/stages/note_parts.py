"""What the notes of several stages hold.

In: settings, what of them is not as usual, ids. Out: pieces of Markdown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from susystream.as_overrides import quoted
from susystream.settings import Settings, public_uri
from susystream.settings.tracking import TrackingSettings
from susystream.stages.context import StageContext
from susystream.stages.markdown import code
from susystream.stages.naming import differing, shown

_USUAL_HOME, _USUAL_DATABASE = ".susystream", "susystream"
_LONGEST_LINE = 92  # letters beside the facts of a run on a page 1440 wide
_BREAK = " \\\n    "
_BARE = re.compile(r"[\w./][\w./:@%+ -]*", re.ASCII)  # what Hydra takes as it stands
_NO_TEXT = re.compile(r".* |null|true|false|[\d._]+(e[+-]?[\d_]+)?|nan|inf", re.IGNORECASE)


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
        run_command(settings, f"stage=evaluate evaluate.models={model_id}"),
    ]


def command(settings: Settings, words: str) -> str:
    """A command that finds the store of these settings, from any shell: to be pasted as it is."""
    registry, home = settings.registry, str(settings.home)
    given = {"--uri": registry.uri and public_uri(registry.uri)}
    given["--home"] = home if home != _USUAL_HOME and not registry.uri else None
    given["--database"] = registry.database if registry.database != _USUAL_DATABASE else None
    return _with_options(f"susystream {words}", given)


def model_line(settings: Settings, model_id: str) -> str:
    """What the screen says of a model: the same command, on one line however long."""
    return f"model    {command(settings, f'models show {model_id}').replace(_BREAK, ' ')}"


def topic_command(settings: Settings, topic: str) -> str:
    """The command that shows what stands on a topic."""
    servers = {"--bootstrap-servers": settings.stream.bootstrap_servers}
    if settings.registry.uri and not settings.stream.bootstrap_servers:
        servers["--home"] = str(settings.home)  # of the broker alone
    return _with_options(command(settings, f"data topic {topic}"), servers)


def run_command(settings: Settings, words: str) -> str:
    """A command that runs a stage where these settings have their servers and files.

    Secrets are in none of them: who needs one adds it.
    """
    registry, home = settings.registry, str(settings.home)
    given = {
        "home": home if home != _USUAL_HOME else None,
        "registry.uri": registry.uri and public_uri(registry.uri),
        "registry.database": registry.database if registry.database != _USUAL_DATABASE else None,
        "stream.bootstrap_servers": settings.stream.bootstrap_servers,
        **_tracked_in(settings.tracking),
    }
    typed = [shlex.quote(f"{name}={_value(one)}") for name, one in given.items() if one]
    return _joined([f"susystream run {words}", *typed])


def _tracked_in(ours: TrackingSettings) -> dict[str, str]:
    """Where runs lie, as far as that is not where they usually do."""
    named = {"uri": public_uri(ours.uri), "experiment": ours.experiment}
    usual = TrackingSettings()
    return {f"tracking.{one}": text for one, text in named.items() if text != getattr(usual, one)}


def _with_options(words: str, given: Mapping[str, str | None]) -> str:
    return _joined([words, *(f"{name} {shlex.quote(one)}" for name, one in given.items() if one)])


def _joined(words: Sequence[str]) -> str:
    """On one line, or on several if that is too long for a page."""
    line = " ".join(words)
    return line if len(line) <= _LONGEST_LINE else _BREAK.join(words)


def _value(text: str) -> str:
    """A text in Hydra's grammar.

    Example:
        >>> _value("/data/my runs"), _value("mongodb://host/?tls=true")
        ('/data/my runs', '"mongodb://host/?tls=true"')
    """
    bare = _BARE.fullmatch(text) and not _NO_TEXT.fullmatch(text)
    return text if bare else quoted(text, '"')


def listed(names: Iterable[object]) -> str:
    """Names as they stand, in a row."""
    return ", ".join(code(name) for name in names)
