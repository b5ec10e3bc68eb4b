"""The exception whose message is written for the user."""


class InputError(Exception):
    """An input from outside the program is not usable: a configuration, a file, a device.

    The message says what is wrong, where, and what is allowed. Commands print it without a traceback and exit with
    status 1. Any other exception is a bug and keeps its traceback.
    """
