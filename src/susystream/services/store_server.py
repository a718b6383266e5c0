"""The process of the embedded document store: `secantusdb`.

In: a service's files. Out: a server that speaks MongoDB's protocol on 127.0.0.1 only.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from susystream.errors import ServiceError
from susystream.services.launch import Launched, ServerCommand, run_server
from susystream.services.ports import HOST, free_ports
from susystream.services.state import ServiceFiles


def launch_store(files: ServiceFiles, *, inherit: int) -> Launched:
    """Starts the store on a free port and waits until it answers a ping.

    Raises:
        ServiceError: It cannot be started; PortTaken if another attempt may do.
    """
    (port,) = free_ports(1)
    files.data.mkdir(parents=True, exist_ok=True)
    settings = files.folder / "secantusd.toml"
    settings.touch()  # named explicitly, or the server would read a user's or machine's own
    arguments = [_program(), "--config", str(settings), "--standalone", "--sync-on-commit"]
    arguments += ["--host", HOST, "--port", str(port), "--log-level", "WARNING"]
    arguments += ["--storage-path", str(files.data)]
    command = ServerCommand("the document store", arguments, port, _pings)
    process = run_server(command, files=files, inherit=inherit)
    return Launched(process, f"mongodb://{HOST}:{port}/", f"SecantusDB {version('secantusdb')}")


def _program() -> str:
    beside = Path(sys.executable).with_name("secantusd-py")
    found = str(beside) if beside.exists() else shutil.which("secantusd-py")
    if found is None:
        raise ServiceError(
            "expected the program secantusd-py of the package secantusdb, received none; "
            "pip install secantusdb or set registry.uri to a MongoDB you have"
        )
    return found


def _pings(port: int) -> bool:
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    client: MongoClient[dict[str, object]] = MongoClient(
        HOST, port, directConnection=True, serverSelectionTimeoutMS=1000
    )
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True
