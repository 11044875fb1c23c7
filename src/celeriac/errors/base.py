"""What all errors of the library are."""

from __future__ import annotations


class CeleriacError(Exception):
    """Something went wrong; the sentence says what, `hint` says what to do."""

    status = 500
    exit_code = 1
    title = "Internal error"
    retry_after = 0  # seconds after which the same request may succeed, 0 when waiting does not help

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()
