"""Whether a tracking server is away, or refuses.

In: what a request raised. Out: whether it is worth to be kept and sent again.
"""

from __future__ import annotations

_LATER = {  # these answers are of the moment, not of the request
    401,  # the run was opened with this login: it has run out
    408,
    429,
}
_NEVER = {501}


def is_outage(error: BaseException) -> bool:
    """Whether the same request may succeed later.

    An answer of the server, or of what stands before it, is judged by its HTTP status; MLflow
    gives the status 500 to whatever kept a request from being answered.
    """
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return _passes(error.get_http_status_code())  # type: ignore[no-untyped-call]
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _passes(error.response.status_code)  # of an artifact
    lost = (requests.ConnectionError, requests.Timeout, ConnectionError, TimeoutError)
    return isinstance(error, lost)


def _passes(status: int) -> bool:
    return status in _LATER or (status >= 500 and status not in _NEVER)
