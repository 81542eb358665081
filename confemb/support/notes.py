"""Saying something about an input that is read, though not as plainly as it stands."""

import logging

from confemb.support.errors import visible

_LOG = logging.getLogger("confemb")


def say(text: str) -> None:
    """Say something about an input that is read: a line on stderr.

    It is logged as a warning by the logger "confemb", which Python prints and a program may direct elsewhere.
    """
    _LOG.warning("%s", visible(text))
