"""A Kafka 4 broker, which the package does not ship: its jars by Maven coordinates.

In: Maven Central, or what `jgo` has of it. Out: one node on 127.0.0.1.
"""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from own_broker import OwnBroker

from susystream.java import find_java

KAFKA_4 = "4.4.0"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_4}+org.slf4j:slf4j-simple:1.7.36"


def kafka4_jars() -> list[Path]:
    """The jars of Kafka 4 and of what it needs; a cut one, which jgo would keep, is had anew.

    Raises:
        Exception: They cannot be had; jgo and its HTTP library raise many kinds.
    """
    import jgo

    jars = [Path(one) for one in jgo.build(COORDINATES).all_jars]
    if not all(map(zipfile.is_zipfile, jars)):  # the list of its content stands at its end
        jars = [Path(one) for one in jgo.build(COORDINATES, update=True).all_jars]
    return jars


@dataclass(slots=True)
class Kafka4(OwnBroker):
    """One node; `with` starts it.

    Attributes:
        jars: Of Kafka 4.
    """

    jars: Sequence[Path] = field(default=(), kw_only=True)

    def _java(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """By Java 17 or newer, which is what Kafka 4 asks for."""
        path = os.pathsep.join(map(str, self.jars))
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(find_java()), "-Xmx512m", "-cp", path, *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
