"""Runs `secantusdb` as `mongo` runs MongoDB: the user of the environment is made at first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymongo
import pymongo.errors

DATA = Path("/data/db")
SERVER = ["secantusd-py", "--standalone", "--sync-on-commit", "--storage-path", str(DATA)]
MADE = DATA / "user.made"
SECONDS = 60
EXISTS = 51003  # MongoDB's code


@contextmanager
def suppress_existing() -> Iterator[None]:
    """A start that was killed may have made the user already."""
    try:
        yield
    except pymongo.errors.OperationFailure as error:
        if error.code != EXISTS:
            raise


def make_user(name: str, password: str) -> None:
    """In a server that only this process reaches, which then ends."""
    server = subprocess.Popen([*SERVER, "--host", "127.0.0.1", "--port", "27018"])
    try:
        with (
            pymongo.MongoClient(
                "127.0.0.1", 27018, serverSelectionTimeoutMS=SECONDS * 1000
            ) as client,
            suppress_existing(),
        ):
            client.admin.command("createUser", name, pwd=password, roles=["root"])
    finally:
        server.terminate()
        server.wait(SECONDS)
    MADE.touch()


def main() -> None:
    if not MADE.exists():
        name = os.environ["MONGO_INITDB_ROOT_USERNAME"]
        make_user(name, os.environ["MONGO_INITDB_ROOT_PASSWORD"])
    command = [*SERVER, "--auth", "--host", "0.0.0.0", "--port", "27017", *sys.argv[1:]]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
