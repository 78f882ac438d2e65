"""Two hosts on one machine: network namespaces with a name of their own, joined by a cable (veth) that can be cut. Needs root's rights."""
import os
import pathlib
import signal
import stat
import subprocess
import sys

import program

NAMES = ("hosta", "hostb")
NETWORK = "10.199.7"
# In place of ssh: what mpirun gives to a host's shell runs in its namespace, under its name, with temporary files of its own.
AGENT = """#!/bin/sh
host=$1; shift
mkdir -p "$HOSTS_FOLDER/tmp-$host"
exec env TMPDIR="$HOSTS_FOLDER/tmp-$host" ip netns exec "$HOSTS_PREFIX-$host" unshare --uts \\
    sh -c 'hostname "$0" && exec sh -c "$*"' "$host" "$@"
"""


class Unavailable(Exception):
    """This machine, or this user, cannot make such hosts."""


def call(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f"no program {error.filename}") from error
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def is_alive(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


class Hosts:
    """`folder` holds the agent and the hosts' temporary files."""

    def __init__(self, folder):
        self.folder, self.prefix = folder, f"credence-{os.getpid()}"
        self.remove_old()
        self.agent = folder / "agent"
        self.agent.write_text(AGENT, encoding="ascii")
        self.agent.chmod(stat.S_IRWXU)
        os.environ.update(HOSTS_FOLDER=str(folder), HOSTS_PREFIX=self.prefix)
        try:
            self.make()
        except Unavailable:
            self.remove()
            raise

    def namespace(self, host):
        return f"{self.prefix}-{host}"

    def make(self):
        a, b = map(self.namespace, NAMES)
        for name in (a, b):
            call("ip", "netns", "add", name)
        call("ip", "link", "add", "cable", "netns", a, "type", "veth", "peer", "name", "cable", "netns", b)
        for i, name in enumerate((a, b), 1):
            call("ip", "-n", name, "addr", "add", f"{NETWORK}.{i}/24", "dev", "cable")
            for device in ("lo", "cable"):
                call("ip", "-n", name, "link", "set", device, "up")
        for host in NAMES:
            said = call(str(self.agent), host, "hostname")
            if said.strip() != host:
                raise Unavailable(f"host {host} calls itself {said.strip()}")

    @staticmethod
    def remove_old():
        """Those of a test that was killed."""
        for line in call("ip", "netns", "list").splitlines():
            name = line.split()[0]
            if name.startswith("credence-") and not is_alive(name.split("-")[1]):
                Hosts.remove_namespace(name)

    @staticmethod
    def remove_namespace(name):
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        for pid in listed.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def remove(self):
        """With all that still runs there."""
        for host in NAMES:
            self.remove_namespace(self.namespace(host))

    def processes(self, host):
        return call("ip", "netns", "pids", self.namespace(host)).split()

    def cut_cable(self):
        """Nobody is told: packets are lost."""
        call("ip", "-n", self.namespace(NAMES[0]), "link", "set", "cable", "down")

    def mend_cable(self):
        names = list(map(self.namespace, NAMES))
        call("ip", "-n", names[0], "link", "set", "cable", "up")
        program.wait_for(lambda: all(" UP " in call("ip", "-n", name, "-br", "link", "show", "cable") for name in names))
        # An address that nobody answered for counts as unreachable for a while.
        program.wait_for(lambda: all(self.reaches(name, i) for i, name in zip((2, 1), names)))

    @staticmethod
    def reaches(name, i):
        """Does the host hear from the i-th one? A refused connection is an answer."""
        script = ("import socket, sys\n"
                  "try:\n    socket.create_connection((sys.argv[1], 9), 1)\n"
                  "except ConnectionRefusedError:\n    pass\n"
                  "except OSError:\n    sys.exit(1)\n")
        done = subprocess.run(["ip", "netns", "exec", name, sys.executable, "-c", script, f"{NETWORK}.{i}"], check=False)
        return done.returncode == 0

    def set_retries(self, n=15):
        """How often TCP sends again, with growing pauses, before it gives a connection up; Linux: 15, which are 15 minutes."""
        for host in NAMES:
            call(str(self.agent), host, "echo", str(n), ">/proc/sys/net/ipv4/tcp_retries2")

    def mpirun(self, n_a, n_b, *options):
        """mpirun on the first host with n_a ranks there and n_b on the second, which talk over the cable only."""
        network = f"{NETWORK}.0/24"
        shell = 'hostname "$0" && exec "$@"'
        return ["ip", "netns", "exec", self.namespace(NAMES[0]), "unshare", "--uts", "sh", "-c", shell, NAMES[0],
                *program.MPIRUN, "-H", f"{NAMES[0]}:{n_a},{NAMES[1]}:{n_b}", "--mca", "plm_rsh_agent", str(self.agent),
                "--mca", "btl", "self,vader,tcp", "--mca", "btl_tcp_if_include", network, "--mca", "oob_tcp_if_include",
                network, *options]
