"""What a person at the terminal is told when something outside the program is wrong."""


class Fault(Exception):
    """A plain sentence: what is wrong and what to do. Shown without a traceback; the command ends with `code`."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
