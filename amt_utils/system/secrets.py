"""Blanks passwords, tokens and signatures in addresses.

Everything that is printed or stored and may hold an address goes through :func:`blank_secrets`;
:class:`amt_utils.system.errors.AmtError` does so by itself.
"""

from __future__ import annotations

import os
import re

BLANK = "•••"
# environment variables whose values are secrets, wherever they appear
SECRET_VARIABLES = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_TOKEN", "KAGGLE_API_V1_TOKEN", "PGPASSWORD")
_NAME = (
    r"[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|signature|credential|session[_-]?id)"
    r"[\w.-]*|sig|key|auth|authorization|awsaccesskeyid|googleaccessid|resourcekey"
)
# scheme:/user:password@ or scheme://user:password@; a password may itself hold "@", so up to the last one of the word
_SCHEME = r"(?P<scheme>\b[a-z][a-z0-9+.-]*:/{1,3})"
_USER = re.compile(rf"{_SCHEME}[^\s/?#'\"<>]*@", re.IGNORECASE)
# ... and one with an unescaped "/", "?" or "#" in the password
_USER_ODD = re.compile(rf"{_SCHEME}[^\s/:@?#]*:[^\s'\"<>]*@", re.IGNORECASE)
_PARAMETER = re.compile(
    rf"(?P<name>(?:(?<=[?&;#\s'\"(])|^)(?:{_NAME}))=(?:'[^']*'|\"[^\"]*\"|[^\s&;#'\"<>]+)", re.IGNORECASE
)
_HEADER = re.compile(r"\b(?P<name>Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)


def blank_secrets(text: str) -> str:
    """``text`` with every password, token and signature in it replaced by :data:`BLANK`.

    Blanked are what stands before ``@`` in an address (``https://user:password@host``, ``postgresql:/…`` with one slash
    too), parameters by their names (``?password=``, ``&X-Amz-Signature=``, ``sig=``, ``token=``, also in a
    ``key=value`` connection string), bearer tokens, and the values of :data:`SECRET_VARIABLES`. The rest stays, so that
    a message still names the host and the file::

        >>> blank_secrets("https://clara:wieck@host/a.zip?X-Amz-Signature=0ab1&part=2")
        'https://•••@host/a.zip?X-Amz-Signature=•••&part=2'
    """
    for variable in SECRET_VARIABLES:
        secret = os.environ.get(variable)
        if secret and len(secret) > 3:
            text = text.replace(secret, BLANK)
    if "@" in text:
        text = _USER_ODD.sub(rf"\g<scheme>{BLANK}@", text)
        text = _USER.sub(rf"\g<scheme>{BLANK}@", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\g<name>={BLANK}", text)
    return _HEADER.sub(rf"\g<name> {BLANK}", text)
