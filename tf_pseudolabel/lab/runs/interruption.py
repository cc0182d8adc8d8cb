"""Signals that ask a run to end, heard between two batches."""

import contextlib
import signal
import threading

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
        """Hears SIGTERM and SIGINT; a second one ends the process at once.

        Outside the main thread, where Python allows no handlers, nothing is
        heard.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def hear(number, frame):
            self.received = number
            for other, handler in before.items():
                signal.signal(other, handler)

        for number in _SIGNALS:
            signal.signal(number, hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
