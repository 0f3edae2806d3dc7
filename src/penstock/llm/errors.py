"""The names that callers of this API catch errors by: classes of the one tree, not another tree."""

from __future__ import annotations

from penstock.core.errors import (
    ContentBlocked,
    InputTooLong,
    InvalidRequest,
    PenstockError,
    TimedOut,
    UpstreamDown,
    UpstreamMisconfigured,
    UpstreamRateLimited,
)

LLMError = PenstockError
LLMRateLimitError = UpstreamRateLimited
LLMServiceError = UpstreamDown
LLMTimeoutError = TimedOut
LLMConfigurationError = UpstreamMisconfigured
LLMInvalidRequestError = InvalidRequest
LLMContextLengthError = InputTooLong
LLMContentBlockedError = ContentBlocked
