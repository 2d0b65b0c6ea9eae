"""The one error that is shown to people without a traceback."""


class UserError(Exception):
    """A mistake that the caller can put right.

    Parameters
    ----------
    message
        What is wrong, with the value and what is allowed. Never the text of an entry.
    hint
        What to type next; empty where the message says it all.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:  # where Python itself shows the error, such as in a notebook
            self.add_note(hint)
