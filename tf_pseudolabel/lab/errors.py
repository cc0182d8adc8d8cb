"""The one exception that programs turn into a single line for the user."""

import re


class InputError(ValueError):
    """Something the user gave cannot be used.

    Its message is complete on its own: the rule, the value received, the
    remedy. Programs print it without a traceback; every other exception is a
    bug and keeps its traceback.
    """


def reason_of(error):
    """Says in one line what a library says of a failure.

    Args:
        error: An exception.

    Returns:
        A string of 200 characters at most.
    """
    # TensorFlow names nodes of its graph and its functions.
    text = getattr(error, "strerror", None) or str(error)
    text = re.sub(r"{{.*?}}|\[Op:.*", "", text)
    return " ".join(text.split())[:200] or type(error).__name__
