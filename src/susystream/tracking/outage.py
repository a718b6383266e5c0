"""Whether a tracking server is away, or refuses.

In: what a request raised. Out: whether it is worth to be kept and sent again, and what it is of.
"""

from __future__ import annotations

import re

_LATER = {  # these answers are of the moment, not of the request
    401,  # the run was opened with this login: it has run out
    408,
    429,
}
_NEVER = {501}
_BUSY = 503  # MLflow's word for a database that is locked or away
_ANSWERED = re.compile(r"too many (\d{3}) error responses")


def is_outage(error: BaseException) -> bool:
    """Whether the same request may succeed later.

    An answer of the server, or of what stands before it, is judged by its HTTP status; MLflow
    gives the status 500 to whatever kept a request from being answered.
    """
    import requests

    status = _status_of(error)
    if status is not None:
        return status in _LATER or (status >= 500 and status not in _NEVER)
    lost = (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError)
    return isinstance(error, lost)


def is_inner(error: BaseException) -> bool:
    """Whether an error inside the server was its answer: others may get another one."""
    status = None if _was_lost(error) else _status_of(error)
    return status is not None and status >= 500 and status not in {*_NEVER, _BUSY}


def is_of_one_part(error: BaseException) -> bool:
    """Whether a refusal may be of a part of what was sent, and the server may take the rest."""
    return _status_of(error) == 400 and not is_deleted(error)


def is_deleted(error: BaseException) -> bool:
    """Whether the run was deleted, and may be restored."""
    return "'active' state" in str(error)


def is_unknown(error: BaseException) -> bool:
    """Whether there is no such run, not even a deleted one."""
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"


def _status_of(error: BaseException) -> int | None:
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        repeated = _ANSWERED.search(str(error))
        code = repeated[1] if repeated else error.get_http_status_code()  # type: ignore[no-untyped-call]
        return int(code)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code  # of an artifact
    return None


def _was_lost(error: BaseException) -> bool:
    """Whether no answer came: MLflow's own error then stands on one of its HTTP library."""
    import requests

    below = error.__cause__ or error.__context__
    of_http = isinstance(below, requests.RequestException)
    return of_http and not isinstance(below, requests.exceptions.RetryError)
