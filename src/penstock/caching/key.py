"""What makes two calls the same question (feature C9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from penstock.core.call import Call
from penstock.core.plan import Target, plan_targets

# Normalising takes about 7 us a kilobyte, in which no other call moves on.
MAX_INPUT_BYTES = 256 * 1024
# Left out: who asks, how the answer travels, and what stands beside the fields in its effective form.
_NOT_THE_QUESTION = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "user",
    }
)
# What answers of this dialect say again of the request.
_SAID_AGAIN = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "user"}
)


def cache_key(call: Call, targets: Mapping[str, Target]) -> bytes | None:
    """A digest of everything the answer depends on; ``None`` when that cannot be told, or costs too much.

    The name that was asked for is part of it, because answers echo it; and the plan's models, because another
    configuration is another question. Call after ``render``, so that a prompt's variables are in the fields.
    """
    if call.plan is None or sum(map(len, call.fields.values())) > MAX_INPUT_BYTES:
        return None
    left_out = _NOT_THE_QUESTION - _SAID_AGAIN if call.dialect == "responses" else _NOT_THE_QUESTION
    trail = call.trail
    parts: dict[str, Any] = {
        "tenant": call.identity.tenant,
        "rights": trail.tier,
        "prompt": [trail.prompt_id, trail.prompt_version],
        "schema": trail.schema_version,
        "models": [_model(targets, alias) for alias in plan_targets(call.plan)],
        "asked": [call.dialect, call.model, call.task, call.lines.decode("latin-1"), call.drop_unsupported],
        "stream": [call.stream, call.include_usage],
        "output": [call.max_output_tokens, call.temperature],
    }
    try:
        parts["input"] = {
            name: json.loads(bytes(raw), object_pairs_hook=_unambiguous)
            for name, raw in call.fields.items()
            if name not in left_out
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def _model(targets: Mapping[str, Target], alias: str) -> list[str]:
    target = targets[alias]
    return [alias, target.provider, target.model_id]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are given once: upstreams differ in which of two they read, so such a body has no key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found
