"""What a command finds wrong with what it was asked."""

from __future__ import annotations


class UsageFault(Exception):
    """The command line asks for something that makes no sense. Exit code 2."""


class NotFound(Exception):
    """What the command is about does not exist here. Exit code 7."""


class ReaderGone(Exception):
    """Nobody reads our output any more (`mqlsync people | head`): the end, and no error."""


class Stopped(BaseException):
    """SIGINT or SIGTERM came while a one-off command was at work; `code` is 130 or 143."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
