"""The stage ``reuse``: a question that was answered before is answered from memory, at no cost."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial

from penstock.caching.keep import keep, replay
from penstock.caching.key import cache_key
from penstock.caching.memory import ExactCache
from penstock.core.answer import Answer
from penstock.core.call import Call
from penstock.core.chain import Handler
from penstock.core.plan import Target


class Reuse:
    """Reuses answers of calls that ask for it or are deterministic; ``targets`` are the models behind the aliases."""

    name = "reuse"

    def __init__(self, cache: ExactCache, targets: Mapping[str, Target]) -> None:
        self._cache = cache
        self._targets = targets

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Answer from the cache, or go on and keep a good answer."""
        if call.cache == "off" or call.trail.degraded or (call.cache == "auto" and call.temperature != 0):
            return proceed(call)
        return self._reuse(call, proceed)

    async def _reuse(self, call: Call, proceed: Handler) -> Answer:
        key = cache_key(call, self._targets)
        if key is None:
            return await proceed(call)
        tenant = call.identity.tenant
        value = self._cache.get(tenant, key)
        if value is not None:
            return replay(value, call.trail)
        call.trail.cache = "miss"
        answer = await proceed(call)
        keep(answer, call.trail, self._cache.bounds.max_entry_bytes, partial(self._cache.put, tenant, key))
        return answer
