"""``LLMFactory``: a ``"provider/model"`` and what is to happen when it fails become an ``LLM``."""

from __future__ import annotations

from typing import Literal, TypeAlias

from penstock.core.plan import Price, Target
from penstock.core.policy import NO_RETRY, RETRY_PRESETS, Care, RetryPolicy, TimeLimits
from penstock.llm.llm import LLM, Course
from penstock.llm.place import Connect, find_place
from penstock.llm.site import Site

Retry: TypeAlias = Literal["fast", "patient", "none"]

_RETRIES = {**RETRY_PRESETS, NO_RETRY.name: NO_RETRY}
_CARE = Care()
_SOFT_TIMEOUT_S = 1.5
# "Settled: Deadlines" of the requirements, as on /v1.
_FIRST_CONTENT_S = _IDLE_GAP_S = 60.0


class LLMFactory:
    """Where LLMs come from."""

    @staticmethod
    def create_llm(
        model: str,
        *,
        fallback: str | LLM | None = None,
        retry: Retry | RetryPolicy = "fast",
        timeout_s: float = 600.0,
        attempt_timeout_s: float | None = None,
        race: bool = False,
        soft_timeout_s: float | None = None,
        fallback_timeout_s: float | None = 4.0,
        degrade: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        ca_file: str | None = None,
        cost_per_1k_tokens_usd: float | tuple[float, float] | None = None,
        care: Care = _CARE,
        connect: Connect | None = None,
    ) -> LLM:
        """An LLM that asks ``model``, and ``fallback`` when that has failed; what each option means: docs/python.md.

        A fallback that is named gets the same ``retry`` and ``attempt_timeout_s``; for more, create it first.

        Raises ``ValueError`` for what cannot be used, and ``OSError`` for such a ``ca_file``.
        """
        place = find_place(model, base_url)
        target = Target(place.name, place.provider, place.model_id, price=_price(cost_per_1k_tokens_usd))
        course = Course(
            retry=_policy(retry),
            limits=_limits(timeout_s, attempt_timeout_s),
            soft_timeout_s=_SOFT_TIMEOUT_S if race and soft_timeout_s is None else soft_timeout_s,
            fallback_timeout_s=fallback_timeout_s,
            degrade=degrade,
        )
        site = Site(
            target,
            care,
            connect or place.network(ca_file),
            place.backend(target, place.key(api_key)),
        )
        if isinstance(fallback, str):
            own = LLMFactory.create_llm(fallback, retry=retry, attempt_timeout_s=attempt_timeout_s)
            return LLM(site, course, own)
        llm = LLM(site, course)
        llm.set_fallback_llm(fallback)
        return llm


def _policy(retry: Retry | RetryPolicy) -> RetryPolicy:
    if isinstance(retry, RetryPolicy):
        return retry
    policy = _RETRIES.get(retry)
    if policy is None:
        raise ValueError(f"unknown retry '{retry}': it is one of {', '.join(_RETRIES)}, or a RetryPolicy")
    return policy


def _limits(timeout_s: float, attempt_timeout_s: float | None) -> TimeLimits:
    return TimeLimits(
        total_s=timeout_s,
        first_content_s=_FIRST_CONTENT_S if attempt_timeout_s is None else attempt_timeout_s,
        idle_gap_s=_IDLE_GAP_S,
        attempt_s=attempt_timeout_s,
    )


def _price(usd_per_1k: float | tuple[float, float] | None) -> Price | None:
    if usd_per_1k is None:
        return None
    input_usd, output_usd = usd_per_1k if isinstance(usd_per_1k, tuple) else (usd_per_1k, usd_per_1k)
    return Price(round(input_usd * 1e9), round(output_usd * 1e9))
