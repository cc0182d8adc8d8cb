"""Several workers on this machine, to try out what runs on several."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

from tf_pseudolabel.lab import children
from tf_pseudolabel.lab.runs import interruption

# Seconds in which workers notice that another one is gone, and then some.
_PATIENCE = 60.0


def run(workers, output_dir):
    """Starts this program once per worker, and waits for all of them.

    What the chief prints is shown; of the others, errors alone. Signals are
    passed on; should this process be killed, the workers are asked to end.

    Args:
        workers: How many.
        output_dir: The run directory that all of them are given.

    Returns:
        The exit status of the first worker that failed; 0 if none did.
    """
    addresses = [f"localhost:{port}" for port in _free_ports(workers)]
    processes, asked = [], []

    def pass_on(number, frame):
        asked.append(number)
        for process in processes:
            process.send_signal(number)

    # A signal while they are being started must not leave one behind.
    before = interruption.handled(pass_on)
    try:
        for index in range(workers):
            processes.append(_start(index, addresses, output_dir))
            if asked:
                processes[-1].send_signal(asked[-1])
                break
        statuses = _wait(processes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for process in processes:
            process.kill()
    # Those that were ended because of another come last.
    failed = sorted(filter(None, statuses), key=lambda s: s == -signal.SIGKILL)
    # A negative status is the number of the signal that ended the worker.
    return next((s if s > 0 else 128 - s for s in failed), 0)


def _wait(processes):
    """Waits for all; those that a failed one has left waiting are ended."""
    given_up = None
    while any(process.poll() is None for process in processes):
        time.sleep(0.1)
        if given_up is None and any(process.poll() for process in processes):
            given_up = time.monotonic() + _PATIENCE
        if given_up is not None and time.monotonic() > given_up:
            for process in processes:
                process.kill()
    return [process.wait() for process in processes]


def _start(index, addresses, output_dir):
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }
    return children.start(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
            *sys.argv[1:],
            # The last ones count: each worker is one, wherever that stood.
            *("--local_workers=1", f"--output_dir={output_dir}"),
        ],
        env={**os.environ, "TF_CONFIG": json.dumps(config)},
        stdout=None if index == 0 else subprocess.DEVNULL,
        # Else a terminal would send Ctrl-C to them as well as to us.
        start_new_session=True,
    )


def _free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports
