import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from tf_pseudolabel.lab.runs.interruption import Interrupted, Listener

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def heard():
    """The signals that reach the handlers of before; these must come back."""
    found = []
    before = {
        number: signal.signal(number, lambda n, frame: found.append(n))
        for number in SIGNALS
    }
    ours = {number: signal.getsignal(number) for number in SIGNALS}
    yield found
    assert {number: signal.getsignal(number) for number in SIGNALS} == ours
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered(number, heard):
    listener = Listener()
    assert listener.received is None
    with listener.listening():
        assert listener.received is None
        signal.raise_signal(number)
        assert listener.received == number
    assert listener.received == number
    assert heard == []


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_signal_goes_to_the_handlers_of_before(first, second, heard):
    listener = Listener()
    with listener.listening():
        signal.raise_signal(first)
        signal.raise_signal(second)
        assert listener.received == first
    assert heard == [second]


def test_handlers_are_put_back_after_an_exception(heard):
    with pytest.raises(KeyError), Listener().listening():
        raise KeyError
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_what_was_heard_between_two_phases_is_not_forgotten(heard):
    listener = Listener()
    with listener.listening():
        signal.raise_signal(signal.SIGTERM)
    with listener.listening():
        assert listener.received == signal.SIGTERM


def test_in_a_thread_nothing_happens(heard):
    listener = Listener()
    before = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    def listen():
        with listener.listening():
            seen.append([signal.getsignal(number) for number in SIGNALS])

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [before]
    assert listener.received is None


def test_interrupted_names_the_signal():
    assert str(Interrupted(15)) == "SIGTERM"
    assert Interrupted(signal.SIGINT).number == 2


@pytest.mark.parametrize(
    ("number", "status"),
    [(number, -number) for number in SIGNALS],
)
def test_the_second_signal_ends_a_process_at_once(number, status):
    """Even one whose next batch never comes."""
    code = """
        import signal
        import time
        from tf_pseudolabel.lab.runs.interruption import Listener
        # A job in the background, or under nohup, begins with it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        listener = Listener()
        with listener.listening():
            print("listening", flush=True)
            while listener.received is None:
                time.sleep(0.01)
            print("heard", listener.received, flush=True)
            time.sleep(60)
            print("too late", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(os.environ),
    ) as process:
        try:
            assert process.stdout.readline() == "listening\n"
            process.send_signal(number)
            assert process.stdout.readline() == f"heard {int(number)}\n"
            process.send_signal(number)
            assert process.stdout.read() == ""
            assert process.wait(10) == status
        finally:
            process.kill()


def test_a_run_under_nohup_lives_on_when_the_terminal_closes(heard):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listener = Listener()
    with listener.listening():
        signal.raise_signal(signal.SIGHUP)
        assert listener.received is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.signal(signal.SIGHUP, before)
