"""Whether a file could not be read because its server was away, or because of the file.

MLflow says of both that the trace "is missing span data"; what happened is in the error's causes.
"""

from __future__ import annotations

import re

_WORDS = ("Connect", "Timeout", "ProtocolError", "IncompleteRead", "ChunkedEncoding")
"""In the names of what requests, urllib3, botocore and Python raise when a server goes away."""
_STATUS = re.compile(r"too many (\d{3}) error responses|failed with error code (\d{3})")
_BUSY = (408, 429)


def why_away(error: BaseException) -> BaseException | None:
    """The cause that says that a server is away or too busy; None if the answer was about the file.

    A status of 500 is about the file: an MLflow server in front of a bucket has it for a file that
    is not there.

    Example:
        >>> why_away(ValueError("not valid JSON")) is None
        True
        >>> str(why_away(ConnectionRefusedError("refused")))
        'refused'
    """
    cause: BaseException | None = error
    while cause is not None:
        names = " ".join(kind.__name__ for kind in type(cause).__mro__)
        status = _status_of(cause)
        if any(word in names for word in _WORDS) or status > 500 or status in _BUSY:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _status_of(error: BaseException) -> int:
    """The status of an answer over HTTP; 0 if the error is of something else."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status
    found = _STATUS.search(str(error))
    return int(found[1] or found[2]) if found else 0
