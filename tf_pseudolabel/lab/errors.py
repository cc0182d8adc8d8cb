"""The one exception that programs turn into a single line for the user."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    Its message is complete on its own: the rule, the value received, the
    remedy. Programs print it without a traceback; every other exception is a
    bug and keeps its traceback.
    """
