import contextlib
import functools

import pytest
from absl import flags


@contextlib.contextmanager
def _flags_of(program):
    """The flags of a program, in the place of others with their names.

    Programs give one name different flags; here they share a process.
    """
    before = {name: flags.FLAGS[name] for name in flags.FLAGS}
    for flag in before.values():
        flag.allow_override = True
    program.define_flags()
    yield
    for name in list(flags.FLAGS):
        if flags.FLAGS[name] is before.get(name):
            continue
        delattr(flags.FLAGS, name)
        if name in before:
            flags.FLAGS[name] = before[name]


@pytest.fixture
def status_of(exit_status):
    """`exit_status` of a program with its own flags: `(program) -> call`."""
    with contextlib.ExitStack() as stack:

        def status(program):
            stack.enter_context(_flags_of(program))
            return functools.partial(exit_status, program.main)

        yield status
