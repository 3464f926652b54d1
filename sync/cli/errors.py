"""What a command finds wrong with what it was asked."""

from __future__ import annotations


class UsageFault(Exception):  # noqa: N818 (a fault of the caller, worded as one)
    """The command line asks for something that makes no sense. Exit code 2."""


class NotFound(Exception):  # noqa: N818
    """What the command is about does not exist here. Exit code 7."""
