"""The one exception users are meant to read."""


class AmtError(Exception):
    """Something the user can act on: the message names the file, the value and what to do.

    The command line prints the message alone and exits with 1; no traceback.
    """
