"""Runs Kafka as `apache/kafka` does: `KAFKA_LOG_DIRS` becomes `log.dirs`, and so on.

With an argument it runs that class of Kafka's instead, for the scripts in `bin`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from susystream.java import find_java
from susystream.services.kafka_jars import cache_folder

PROPERTIES = Path("/opt/kafka/server.properties")
MEMORY = os.environ.get("KAFKA_HEAP_OPTS", "").split()


def java(*words: str) -> list[str]:
    """A command line with Kafka's jars on the class path."""
    logger = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [str(find_java()), logger, "-cp", f"{cache_folder()}/*", *words]


def settings() -> dict[str, str]:
    """By Kafka's own names."""
    names = (name for name in os.environ if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS")
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): os.environ[name] for name in names
    }


def format_once(folder: Path) -> None:
    """As the real image: only where nothing was formatted."""
    if (folder / "meta.properties").exists():
        return
    tool = java("kafka.tools.StorageTool", "format")
    subprocess.run([*tool, "-t", os.environ["CLUSTER_ID"], "-c", str(PROPERTIES)], check=True)


def main() -> None:
    if len(sys.argv) > 1:
        command = java(*MEMORY, "-XX:TieredStopAtLevel=1", *sys.argv[1:])
    else:
        known = settings()
        PROPERTIES.write_text("".join(f"{name}={value}\n" for name, value in known.items()))
        format_once(Path(known["log.dirs"]))
        command = java(*MEMORY, "-XX:+ExitOnOutOfMemoryError", "kafka.Kafka", str(PROPERTIES))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
