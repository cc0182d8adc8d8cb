"""Writes files beside their place and moves them there: whole, or not."""

import contextlib
import os
import pathlib
import shutil
import uuid

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError, reason_of


@contextlib.contextmanager
def replacing(path, several=False):
    """Gives a path to write to, and renames it to another one on success.

    Args:
        path: File or directory to write or replace; its parent is made.
        several: Bool: whether several processes may write it at once. Each
            has a partial file of its own then, of which it may leave one when
            it is killed; and the parent must be there: on a machine that does
            not see it, another one would be lost. Defaults to False.

    Yields:
        A `pathlib.Path` in the same directory, with the same suffix.

    Raises:
        InputError: If it cannot be written.
    """
    final = pathlib.Path(path)
    tag = uuid.uuid4().hex if several else "partial"
    partial = final.with_name(f".{tag}-{final.name}")
    try:
        if not several:
            final.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        yield partial
        # A folder that a file would replace is somebody else's.
        if final.is_dir() and partial.is_dir():
            shutil.rmtree(final)
        os.replace(partial, final)
    except OSError as error:
        raise InputError(
            f"{shown(final)} could not be written: {reason_of(error)}. Make "
            "room, and give the same command again to go on."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(partial)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
