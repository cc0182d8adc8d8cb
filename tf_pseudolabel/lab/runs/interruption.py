"""Signals that ask a run to end, heard between two batches."""

import contextlib
import signal
import threading


class Interrupted(Exception):  # noqa: N818
    """The run was asked to end, and what it needs to go on is saved.

    Args:
        number: Number of the signal.
    """

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Listener:
    """Remembers the first signal that asks the process to end.

    Attributes:
        received: Its number; None as long as there is none.
    """

    def __init__(self):
        self.received = None

    @contextlib.contextmanager
    def listening(self):
        """Hears SIGTERM, SIGINT and SIGHUP; a second one ends the process.

        Outside the main thread, where Python allows no handlers, nothing is
        heard.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number, frame):
            self.received = number
            for other, handler in before.items():
                signal.signal(other, handler)

        before = handled(hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def handled(handler):
    """Has a handler called for every signal that asks a process to end.

    Args:
        handler: As for `signal.signal`.

    Returns:
        A dict from the signals to their handlers before. SIGHUP is not among
        them where `nohup` has it ignored: so it stays.
    """
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}
