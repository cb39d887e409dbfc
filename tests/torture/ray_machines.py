"""Machines of a Ray cluster on one: each with a network, processes and /tmp/ray of its own.

A machine is killed as by a power cut: the first process of its namespace is, and the system ends
the others with it. `restart` is what systemd does on a real one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

BRIDGE, NET = "drpo-ray", "10.77.0"
HEAD = f"{NET}.1"
ADDRESS = f"http://{HEAD}:8265"
RAY = Path(sys.executable).with_name("ray")
PATIENT = {
    # A busy machine of two cores is slow to answer, not dead.
    "RAY_health_check_failure_threshold": "20",
    "RAY_health_check_timeout_ms": "30000",
    "RAY_gcs_server_request_timeout_seconds": "120",
    "RAY_raylet_start_wait_time_s": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "600",
    # How long a node outlives its head: a minute by default.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "30",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
}


def cannot() -> str | None:
    """Why there can be no such machines here; None where there can."""
    if not RAY.exists():
        return "needs Ray: pip install 'drpo[ray]'"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "must make networks: needs root and ip"
    try_it = ["unshare", "--net", "--pid", "--fork", "--mount", "--uts", "true"]
    done = subprocess.run(try_it, check=False, capture_output=True)
    return None if done.returncode == 0 else "may not make namespaces"


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


class Machine:
    """One machine, by its name and the last part of its address.

    Args:
        name: Its host name and Ray's name for it.
        number: 1 for the head.
        cores: What it offers; the head offers none.
        log: Where Ray writes what it says at the start.
    """

    def __init__(self, name: str, number: int, cores: int, log: Path) -> None:
        self.name, self.log = name, log
        self.space, self.address = f"drpo-{name}", f"{NET}.{number}"
        place = f"--head --port=6379 --dashboard-host={HEAD}"
        join = place if number == 1 else f"--address={HEAD}:6379"
        start = (
            f"{RAY} start {join} --node-ip-address={self.address} --node-name={name} "
            f"--num-cpus={cores} --block --disable-usage-stats --object-store-memory=80000000 "
            # Most given ports are not waited for, as chosen ones are, for fifteen seconds.
            "--metrics-export-port=8080 --dashboard-agent-grpc-port=8081 "
            "--dashboard-agent-listen-port=8082 --runtime-env-agent-port=8083"
        )
        self._command = (
            f"hostname {name}; mkdir -p /tmp/ray; mount -t tmpfs tmpfs /tmp/ray; exec {start}"
        )
        self._process: subprocess.Popen[bytes] | None = None
        _run("ip", "netns", "add", self.space)
        outside, inside = f"drpo{number}o", f"drpo{number}i"
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
        _run("ip", "link", "set", inside, "netns", self.space)
        _run("ip", "link", "set", outside, "master", BRIDGE, "up")
        within = ("ip", "netns", "exec", self.space, "ip")
        _run(*within, "addr", "add", f"{self.address}/24", "dev", inside)
        _run(*within, "link", "set", inside, "up")
        _run(*within, "link", "set", "lo", "up")

    def start(self) -> None:
        """Switch it on."""
        spaces = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, *spaces, "bash", "-c", self._command],
                env={**os.environ, **PATIENT},
                stdout=log,
                stderr=log,
            )

    def left(self) -> bool:
        """Whether Ray ended on it by itself."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """Switch it off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Take it away."""
        self.kill()
        _run("ip", "netns", "del", self.space)


class RayMachines:
    """A head without places and nodes with two each."""

    def __init__(self, folder: Path, nodes: int = 2, cores: int = 2) -> None:
        self.nodes: list[Machine] = []
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "addr", "add", f"{NET}.254/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        self.head = Machine("head", 1, 0, folder / "head.log")
        self.nodes = [
            Machine(f"node-{number}", number + 1, cores, folder / f"node-{number}.log")
            for number in range(1, nodes + 1)
        ]
        try:
            self.head.start()
            self.wait_for_head()
            for node in self.nodes:
                node.start()
        except BaseException:
            self.close()
            raise

    def wait_for_head(self, seconds: float = 900) -> None:
        """Wait until the head's dashboard answers."""
        deadline = time.monotonic() + seconds
        while True:
            if self.head.left():
                self.head.start()
            try:
                with urllib.request.urlopen(f"{ADDRESS}/api/version", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise AssertionError(self.head.log.read_text()) from None
            time.sleep(1)

    def restart_what_ended(self) -> None:
        """Switch those on again whose Ray left by itself, as it does without its head."""
        for node in (self.head, *self.nodes):
            if node.left():
                node.start()

    def close(self) -> None:
        """Take everything away."""
        for machine in (*self.nodes, self.head):
            machine.close()
        _run("ip", "link", "del", BRIDGE)
