"""The one error tree.

Each class states its wire ``code``, its HTTP ``status``, the error ``type`` of OpenAI's error bodies, and two facts
that resilience reads: ``retryable`` (the same target may succeed if asked again) and ``curable_elsewhere`` (another
target may succeed). A message is written for the caller: it names the cure and never holds exception text, a secret
or a stack. Edges only render these; nothing else decides a status.
"""

from __future__ import annotations

from typing import ClassVar


class PenstockError(Exception):
    """Base of everything that a caller may be told."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    retryable: ClassVar[bool] = False
    curable_elsewhere: ClassVar[bool] = False
    # What `x-should-retry` tells an SDK; None leaves it to the SDK's own rule for the status.
    should_retry: ClassVar[bool | None] = None

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


# --- the caller's mistakes -------------------------------------------------------------------------------------------


class InvalidRequest(PenstockError):
    """The request cannot be understood or is not permitted by the protocol."""

    code = "invalid_request"
    status = 400
    type = "invalid_request_error"


class MalformedJson(InvalidRequest):
    """The body is not a JSON object in UTF-8."""

    code = "invalid_json"


class JsonTooDeep(InvalidRequest):
    """The body nests arrays or objects deeper than a decoder may follow."""

    code = "json_too_deep"


class InvalidParameter(InvalidRequest):
    """One named parameter has a wrong type or value."""

    code = "invalid_parameter"


class UnsupportedParameter(InvalidRequest):
    """The provider that would answer cannot do what one parameter asks; another one may."""

    code = "unsupported_parameter"
    curable_elsewhere = True


class UnsupportedEndpoint(InvalidRequest):
    """The model does not answer calls of this endpoint; another one may."""

    code = "unsupported_endpoint"
    curable_elsewhere = True


class MissingVariable(InvalidRequest):
    """A prompt template needs a variable that the caller did not give."""

    code = "missing_prompt_variable"


class PromptNotFound(InvalidRequest):
    """No prompt of that id and version."""

    code = "prompt_not_found"
    status = 404


class InputTooLong(InvalidRequest):
    """More input tokens than the request's task, tier or model takes; a longer model may cure it."""

    code = "context_length_exceeded"
    curable_elsewhere = True


class ContentBlocked(InvalidRequest):
    """A provider's content policy refused the call."""

    code = "content_policy_violation"


class NotFound(InvalidRequest):
    """No such path."""

    code = "not_found"
    status = 404


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class RequestTimeout(InvalidRequest):
    """Head or body did not arrive in time."""

    code = "request_timeout"
    status = 408


class BodyTooLarge(InvalidRequest):
    """The body is over the configured limit."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(InvalidRequest):
    """The body is encoded or typed in a way that is not served."""

    code = "unsupported_media_type"
    status = 415


class HeadTooLarge(InvalidRequest):
    """Request line and headers are over the configured limit."""

    code = "headers_too_large"
    status = 431


# --- who may do what -------------------------------------------------------------------------------------------------


class Unauthenticated(PenstockError):
    """No key, or a key that is not known."""

    code = "invalid_api_key"
    status = 401
    type = "authentication_error"


class PermissionDenied(PenstockError):
    """A known key that may not do this."""

    code = "permission_denied"
    status = 403
    type = "permission_error"


class UnknownTenant(PermissionDenied):
    """The tenant that was named does not exist."""

    code = "unknown_tenant"


class ModelNotAllowed(PermissionDenied):
    """The model exists, the tenant's tier may not use it."""

    code = "model_not_allowed"


class ModelUnpriced(PermissionDenied):
    """Nobody knows what the model costs, and the tenant's tier has a budget to keep."""

    code = "model_unpriced"


class ModelNotFound(InvalidRequest):
    """No model, route or task of that name."""

    code = "model_not_found"
    status = 404


class PreviousResponseNotFound(InvalidRequest):
    """The answer that a call would go on from is not kept here for this tenant, or not any more."""

    code = "previous_response_not_found"


class RateLimited(PenstockError):
    """Too many requests in the window."""

    code = "rate_limit_exceeded"
    status = 429
    type = "rate_limit_error"


class TooManyConcurrent(RateLimited):
    """Too many calls of this tenant in flight."""

    code = "concurrency_limit_exceeded"


class BudgetExceeded(RateLimited):
    """The tenant's budget for the window is spent; asking again does not help before it resets."""

    code = "insufficient_quota"
    should_retry = False
    type = "insufficient_quota"


class TimedOut(PenstockError):
    """Not in time: one attempt, a stream's next chunk, or the call as a whole."""


# --- the works behind the gate ---------------------------------------------------------------------------------------


class UpstreamError(PenstockError):
    """A provider did not answer the call. Base of what a fallback may cure."""

    code = "upstream_error"
    status = 502
    type = "upstream_error"
    curable_elsewhere = True


class UpstreamDown(UpstreamError):
    """The provider gives no good answer now, and the call is not why."""


class UpstreamUnavailable(UpstreamDown):
    """A 5xx, a refused or broken connection."""

    code = "upstream_unavailable"
    retryable = True


class UpstreamRateLimited(UpstreamError):
    """The provider answered 429; ``retry_after_s`` holds its wish."""

    code = "upstream_rate_limited"
    status = 429
    type = "rate_limit_error"
    retryable = True


class UpstreamResting(UpstreamRateLimited):
    """The provider answered 429 to a call before, and the time it wanted is not over: it was not asked."""

    code = "upstream_resting"


class UpstreamTimeout(UpstreamError, TimedOut):
    """No answer, first content or next chunk within the attempt's limits."""

    code = "upstream_timeout"
    status = 504
    retryable = True


class UpstreamMalformed(UpstreamDown):
    """Not JSON, HTML, or an error inside a 200."""

    code = "upstream_malformed"
    retryable = True


class UpstreamCut(UpstreamDown):
    """The stream ended before it was complete."""

    code = "upstream_cut"
    retryable = True


class BreakerOpen(UpstreamDown):
    """This target has failed too often, or too slowly, and is not asked for a while."""

    code = "breaker_open"
    status = 503


class BulkheadFull(UpstreamDown):
    """This target already answers as many calls at once as it may, and nobody has left in time."""

    code = "bulkhead_full"
    status = 503


class UpstreamMisconfigured(UpstreamError):
    """The provider refused our key, permission or model: permanent for this target."""

    code = "upstream_misconfigured"
    should_retry = False


class UpstreamRejected(InvalidRequest):
    """The provider says that the request itself is wrong (400, 413, 422); never retried."""

    code = "upstream_rejected"


class DeadlineExceeded(TimedOut):
    """The call's own deadline has passed."""

    code = "deadline_exceeded"
    status = 504
    type = "timeout_error"


class Unavailable(PenstockError):
    """The gateway cannot take the call now."""

    code = "unavailable"
    status = 503
    type = "server_error"


class StoreFailed(Unavailable):
    """Ledger or audit cannot be written; billed traffic stops until an operator has looked."""

    code = "ledger_unavailable"
    should_retry = False


class StoreTaken(StoreFailed):
    """Another process has the store."""

    code = "store_taken"


class GatewayUnreachable(Unavailable):
    """A client has no connection to its gateway, or has lost it, or something else answers there."""

    code = "gateway_unreachable"
    retryable = True
