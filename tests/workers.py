"""Starts the machines of a cluster as processes of this one."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time


def free_addresses(count):
    """Returns addresses on loopback that nothing listens at."""
    with contextlib.ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("localhost", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in found]


class Job:
    """The workers of a cluster, each with a directory of its own.

    A worker runs `program directory/INDEX *arguments`; what it prints goes to
    `directory/INDEX/output.txt`. When the context ends, so do the workers.
    """

    def __init__(self, program, directory, *arguments, count=2, addresses=None):
        self.directories = [directory / str(index) for index in range(count)]
        self._command = [sys.executable, str(program)]
        self._arguments = [str(argument) for argument in arguments]
        self._addresses = addresses or free_addresses(count)

    def __enter__(self):
        self.processes = []
        try:
            for index in range(len(self.directories)):
                self.processes.append(self._start(index))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, index):
        directory = self.directories[index]
        directory.mkdir(parents=True, exist_ok=True)
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": self._addresses}, "task": task}
        with open(directory / "output.txt", "w", encoding="utf-8") as output:
            return subprocess.Popen(
                [*self._command, str(directory), *self._arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
            )

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def output(self, index):
        path = self.directories[index] / "output.txt"
        return path.read_text(encoding="utf-8", errors="replace")

    def outputs(self):
        return "\n".join(
            f"--- worker {index}, status {process.poll()}\n{self.output(index)}"
            for index, process in enumerate(self.processes)
        )

    def wait_until(self, reached, seconds=300):
        """Waits; fails where a worker has failed or the time is up."""
        end = time.monotonic() + seconds
        while not reached():
            failed = any(process.poll() for process in self.processes)
            assert not failed, self.outputs()
            assert time.monotonic() < end, f"{seconds} s\n{self.outputs()}"
            time.sleep(0.1)

    def wait(self, seconds=300):
        """Waits until all workers have ended well."""
        self.wait_until(
            lambda: all(process.poll() == 0 for process in self.processes),
            seconds,
        )
