"""What the service says when it does not do something."""

from __future__ import annotations

# The service's own names; a client must branch on the code, not on these.
TYPES = {
    400: "BadRequest",
    401: "Unauthorized",
    402: "PaymentRequired",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "BadRequest",
    429: "TooManyRequests",
}


class Refusal(Exception):
    """An error reply: HTTP ``status``, the service's error ``code``, one sentence, and the parameter it is about."""

    def __init__(self, status: int, code: str, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter


def error_body(status: int, code: str, message: str, parameter: str, request_id: str) -> dict[str, object]:
    """The JSON of an error reply; the request id is only in the sentence, as in the real one."""
    kind = TYPES.get(status, "InternalServerError")
    text = f"{message} Request id: {request_id}"
    return {"error": {"code": code, "message": text, "param": parameter, "type": kind}}


def invalid(parameter: str, why: str) -> Refusal:
    """A 400 for a value that the service does not take."""
    message = f"The parameter `{parameter}` specified in the request is not valid: {why}."
    return Refusal(400, "InvalidParameter", message, parameter)


def unsupported(parameter: str, model: str) -> Refusal:
    """A 400 for a parameter that the model does not have."""
    message = f"The parameter `{parameter}` specified in the request is not supported by the model {model}."
    return Refusal(400, "InvalidParameter.UnsupportedParameter", message, parameter)


def missing(parameter: str) -> Refusal:
    """A 400 for a parameter that has to be there."""
    message = f"The request failed because it is missing `{parameter}` parameter."
    return Refusal(400, "MissingParameter", message, parameter)
