"""The one exception whose message is meant for the person at the terminal."""


class InputError(Exception):
    """Something given from outside is not usable: a configuration, a file, a device.

    Its message is one text that says what is wrong, where, and what is allowed. Commands print it without a traceback
    and exit with status 1; any other exception is a fault of the program and keeps its traceback.
    """
