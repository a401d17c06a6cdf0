"""Exceptions with messages for users."""

from __future__ import annotations

from .secrets import blank_secrets


class AmtError(Exception):
    """Something the user can act on: the message names the file, the value and what to do.

    The command line prints the message without a traceback and exits with 1. Passwords in addresses and signed parts
    of URLs are blanked (:func:`.blank_secrets`).
    """

    def __init__(self, *arguments: object):
        super().__init__(*(blank_secrets(a) if isinstance(a, str) else a for a in arguments))


class WriteError(AmtError):
    """A file could not be written: a full disk, a quota, a folder that is read-only or gone."""
