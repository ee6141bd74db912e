"""Machines of a Ray cluster, on this one: each has process ids of its own, so a process of one is unknown on another.

To end a machine is a power cut: all of its processes are gone at once.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pg_core.runs.paths import ROOT
from pg_core.runs.store.store import Store
from pg_core.runs.workers.supervisor import Supervisor

INSIDE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
SMALL = ("--num-cpus=1", "--memory=4000000000", "--object-store-memory=80000000", "--disable-usage-stats", "--block")
PATIENCE = {"RAY_worker_register_timeout_seconds": "300"}  # of Ray
# It gives up after 30 seconds, which a machine with much else to do needs: then all but this shell is ended.
INSISTING = ("sh", "-c", 'until "$0" "$@"; do kill -9 -1; done')
RAY = Path(sys.executable).with_name("ray")


def missing() -> str | None:
    """Return why there can be no such machines, None if there can be."""
    if not RAY.exists():
        return "Ray is not installed: `pip install -r requirements-cluster.txt`."
    if not shutil.which("unshare") or subprocess.run([*INSIDE, "true"], capture_output=True).returncode:
        return "There can be no process ids of its own here."
    return None


def free_port() -> int:
    """Return a port of the loopback address that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machines:
    """A head and further machines, at loopback addresses of their own, in a folder of their own.

    Attributes:
        address: of the cluster, for PG_LAB_CLUSTER.
    """

    def __init__(self, count: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets have names of 107 bytes
        self._port, self._door = free_port(), free_port()
        self.address = f"ray://127.0.0.2:{self._door}"
        self._machines: dict[int, subprocess.Popen[bytes]] = {}
        self._count = count

    def __enter__(self) -> Self:
        try:
            self.start_head()
            for number in range(1, self._count):
                self.start(number)
        except BaseException:  # whoever interrupts it leaves no machine behind
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._machines):
            self.end(number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def numbers(self) -> list[int]:
        """Return which machines there are now; the head is 0."""
        return sorted(self._machines)

    def start_head(self) -> None:
        """Start the head, and wait until it can be asked for."""
        head = ["--head", f"--port={self._port}", f"--ray-client-server-port={self._door}"]
        self._start(0, [*head, "--include-dashboard=false", f"--temp-dir={self._folder}"])
        while not _answers("127.0.0.2", self._door):
            assert self._machines[0].poll() is None, (self._folder / "0.log").read_text()
            time.sleep(0.1)

    def start(self, number: int) -> None:
        """Start another machine."""
        self._start(number, [f"--address=127.0.0.2:{self._port}"])

    def end(self, number: int) -> None:
        """Cut the power of a machine."""
        machine = self._machines.pop(number)
        machine.kill()  # and its child, the first of its processes, without which no other can be
        machine.wait()

    def _start(self, number: int, options: list[str]) -> None:
        command = [*INSIDE, *INSISTING, RAY, "start", f"--node-ip-address=127.0.0.{number + 2}", *SMALL, *options]
        environment = {**os.environ, **PATIENCE, "PYTHONPATH": str(ROOT)}
        with (self._folder / f"{number}.log").open("ab") as log:
            self._machines[number] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


@contextlib.contextmanager
def supervising(store: Store, address: str) -> Iterator[Supervisor]:
    """Look after the runs of a store as a server does that has a cluster."""
    before = {name: os.environ.get(name) for name in ("PG_LAB_CLUSTER", "PG_LAB_DATABASE_URL", "PG_LAB_DATA")}
    url = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    os.environ |= {"PG_LAB_CLUSTER": address, "PG_LAB_DATABASE_URL": url, "PG_LAB_DATA": str(store.folder)}
    supervisor = Supervisor(store, on_cluster=True)
    try:
        supervisor.start()
        yield supervisor
    finally:
        supervisor.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
