"""``POST /chat`` and its alias ``/llm/chat``: one question, one whole answer."""

from __future__ import annotations

from os import urandom

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.answer import CANCEL, END, Answer
from penstock.core.call import Call, Identity, PromptRef, Trail, Usage
from penstock.core.errors import InvalidRequest, PenstockError, PermissionDenied, UnknownTenant
from penstock.core.ports import Gateway
from penstock.core.tokens import estimate_tokens
from penstock.dialects.json_body import read_object
from penstock.dialects.openai import Completion, compose_fields, read_completion
from penstock.edge.asks import read_asks
from penstock.edge.headers import answer_lines, header_fields
from penstock.edge.native.access import as_tenant, prove
from penstock.edge.native.asked_headers import parameters
from penstock.edge.native.body import read_body, read_model
from penstock.edge.native.errors import failures, remember, request_id
from penstock.edge.native.shapes import ChatAnswer, ChatRequest, TokenUsage
from penstock.edge.native.waiting import answer_while_connected
from penstock.edge.native.wiring import Wiring

NANO = 1_000_000_000

# Of a request that cannot be understood nothing is taken.
NOTHING_ASKED = ChatRequest.model_construct(task="")

EXAMPLE = {
    "tenant_id": "tenant_pro",
    "user_id": "user_123",
    "task": "extract",
    "message": "The customer was charged twice after an upgrade.",
    "prompt_id": "support_triage",
    "prompt_version": "v1",
    "max_output_tokens": 256,
}


def chat_routes(wiring: Wiring) -> APIRouter:
    """Both paths, one endpoint."""
    router = APIRouter(tags=["Native"])

    async def chat(request: Request) -> Response:
        """Ask a model by task, with a registered prompt or plain text; the answer comes whole.

        Answers within 10 seconds. Without `temperature` it is 0, and the answer may come from the cache.
        """
        received_at_s = wiring.clock()
        identity = prove(wiring.gateway, request)
        body = await read_body(request)
        call = compose(wiring, request, identity, body, received_at_s)
        remember(request, call)
        try:
            answer = await answer_while_connected(wiring.gateway, call, request.receive)
        except UnknownTenant as error:
            raise UnknownTenant(error.message, param="tenant_id") from None
        completion = _complete(answer)
        await wiring.gateway.committed()
        shown = describe(call, completion, answer, latency_ms=(wiring.clock() - received_at_s) * 1000)
        response = Response(shown.model_dump_json(exclude_unset=True), media_type="application/json")
        response.raw_headers.extend(header_fields(answer_lines(call, answer)))
        return response

    for path, operation in (("/chat", "chat"), ("/llm/chat", "llm_chat")):
        router.add_api_route(
            path,
            chat,
            methods=["POST"],
            operation_id=operation,
            summary="Ask a model",
            response_model=ChatAnswer,
            response_description="The answer, and what it took.",
            responses=failures(400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504),
            openapi_extra={
                "parameters": parameters("x-request-id", "traceparent", "x-penstock-tags", "x-penstock-explain"),
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}, "example": EXAMPLE}
                    },
                },
            },
        )
    return router


def compose(wiring: Wiring, request: Request, identity: Identity | None, body: bytes, received_at_s: float) -> Call:
    """The request as the pipeline takes it: the body's fields, and what the data plane too reads in headers.

    What is invalid becomes a call too, to be counted, limited and recorded.
    """
    headers = dict(request.scope["headers"])
    asks = read_asks(headers)
    invalid: PenstockError | None = asks.invalid
    try:
        asked = read_model(body, ChatRequest)
        caller = as_tenant(identity, asked.tenant_id)
    except (InvalidRequest, PermissionDenied) as error:
        asked, caller, invalid = NOTHING_ASKED, blamed(wiring.gateway, identity, body), invalid or error
    prompt = None
    messages: list[dict[str, str]] = []
    text = asked.message or ""
    if asked.prompt_id is None:
        messages.append({"role": "user", "content": text})
    else:
        variables = asked.variables if asked.message is None else asked.variables | {"message": text}
        prompt = PromptRef(asked.prompt_id, asked.prompt_version or "", variables)
    return Call(
        call_id=wiring.new_id(),
        request_id=request_id(request),
        trace_id=asks.trace_id or urandom(16).hex(),
        endpoint="/chat",
        dialect="openai",
        identity=caller,
        model=asked.model,
        task=asked.task,
        fields=compose_fields(messages, temperature=asked.temperature, max_output_tokens=asked.max_output_tokens),
        limits=wiring.limits,
        trail=Trail(received_at_s=received_at_s),
        user=asked.user_id,
        temperature=asked.temperature,
        max_output_tokens=asked.max_output_tokens,
        input_tokens=estimate_tokens(text) if prompt is None else 0,  # a prompt is counted once it is rendered
        prompt=prompt,
        cache=asked.cache,
        explain=asked.explain or asks.explain,
        tags=asks.tags,
        invalid=invalid,
    )


def blamed(gateway: Gateway, identity: Identity | None, body: bytes) -> Identity:
    """Whose an invalid request is: the key's tenant, or the one that the body names all the same; else nobody's."""
    if identity is not None and not identity.admin:
        return identity
    try:
        tenant = msgspec.json.decode(read_object(body)["tenant_id"], type=str)
    except (InvalidRequest, KeyError, msgspec.DecodeError):
        tenant = ""
    return Identity(
        tenant=tenant if tenant in gateway.policy.tenants else "",
        key_name="keyless" if identity is None else identity.key_name,
        admin=identity is not None,
    )


def describe(call: Call, completion: Completion, answer: Answer, *, latency_ms: float) -> ChatAnswer:
    """The lab's answer fields, from what the stages left on the trail."""
    trail = call.trail
    usage = trail.usage or answer.usage or completion.usage or Usage()
    shown = ChatAnswer(
        trace_id=call.trace_id,
        answer=completion.text,
        provider=trail.provider,
        model=trail.model,
        cache_hit=trail.cache == "hit",
        fallback_used=trail.fallback_used,
        retry_count=trail.retry_count,
        latency_ms=round(latency_ms, 3),
        estimated_cost_usd=None if trail.unpriced else trail.cost_nano_usd / NANO,
        prompt_id=trail.prompt_id or None,
        prompt_version=trail.prompt_version or None,
        degraded=trail.degraded,
        finish_reason=completion.finish_reason,
        usage=TokenUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
        ),
    )
    if call.explain and trail.decision is not None:
        shown.decision = msgspec.to_builtins(trail.why)
    return shown


def _complete(answer: Answer) -> Completion:
    """Read a whole answer and end it, so that every stage has settled before the trail is read."""
    outcome = CANCEL
    try:
        completion = read_completion(answer.body or b"")
        outcome = END
        return completion
    finally:
        answer.close(outcome)
