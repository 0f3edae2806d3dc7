"""``LLM``: a model to ask, with what happens when it does not answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from penstock.core.answer import END, Answer
from penstock.core.call import Call
from penstock.core.chain import Handler, chain
from penstock.core.policy import RetryPolicy, TimeLimits
from penstock.dialects.openai import read_completion
from penstock.llm.generation import Generation, generation_of
from penstock.llm.loop_thread import LoopThread
from penstock.llm.request import Prompt, compose_call
from penstock.llm.site import Site
from penstock.llm.text_parts import text_parts
from penstock.llm.text_stream import AsyncTextStream, TextStream, Told
from penstock.providers import template_answer
from penstock.resilience.first import first
from penstock.resilience.fixed import fixed
from penstock.resilience.race import race


class Course(Struct, frozen=True, kw_only=True):
    """How a call goes on when the model is late or fails.

    With ``soft_timeout_s`` the fallback starts beside a main model that is later than that, and both have
    ``fallback_timeout_s`` from then on (``None``: what is left of the call's time). ``degrade`` is the last resort.
    """

    retry: RetryPolicy
    limits: TimeLimits
    soft_timeout_s: float | None = None
    fallback_timeout_s: float | None = None
    degrade: str | None = None


class LLM:
    """One model, its retries, and the fallback behind it. ``LLMFactory.create_llm`` makes it.

    ``prompt`` is a question, or messages as chat completions take them; ``params`` are those of chat completions
    (``temperature``, ``max_tokens``, ``tools``, ...). Methods raise ``LLMError``; which, docs/python.md tells.

    The asynchronous methods run in the caller's event loop. The others wait for a loop in a thread of their own, so
    that they work anywhere; inside a running loop they hold that up meanwhile. ``close`` ends that thread.

    A ``fallback`` that is given here is closed with it, one that is set later is not.
    """

    def __init__(self, site: Site, course: Course, fallback: LLM | None = None) -> None:
        self._site = site
        self._course = course
        self._fallback = self._own_fallback = fallback
        self._thread = LoopThread()
        self._handler = self._compiled()

    @property
    def name(self) -> str:
        """What it was created as, and where, if that is a place of one's own."""
        return self._site.target.alias

    @property
    def fallback(self) -> LLM | None:
        """What is asked where this one fails."""
        return self._fallback

    @property
    def sites(self) -> dict[str, Site]:
        """Where a call may go, by name: the fallbacks' too."""
        others = {} if self._fallback is None else self._fallback.sites
        return others | {self.name: self._site}

    def set_fallback_llm(self, fallback: LLM | None) -> None:
        """Ask ``fallback`` where this one fails; it brings its own retries, and a fallback of its own if it has one.

        Raises ``ValueError`` when that would lead back here.
        """
        each = fallback
        while each is not None:
            if each is self:
                raise ValueError(f"'{self.name}' cannot be the fallback of its own fallback")
            each = each.fallback
        self._fallback = fallback
        self._handler = self._compiled()

    # --- in the caller's event loop ---

    async def async_generate(self, prompt: Prompt, **params: Any) -> Generation:
        """The whole answer."""
        call, sites = self._call(prompt, params, stream=False), self.sites
        answer = await chain((), self._handler)(call)
        answer.close(END)
        return generation_of(call, answer, sites, read_completion(answer.body or b"").text)

    def astream(self, prompt: Prompt, **params: Any) -> AsyncTextStream:
        """The answer's text, part by part. Raises what breaks it off; before the first part the fallback is asked."""
        told = Told()
        return AsyncTextStream(self._read(prompt, params, told), told)

    async def answer(self, call: Call) -> Answer:
        """Answer somebody else's call, with one's own retries and limits of an attempt, within the call's time."""
        limits = replace(self._course.limits, total_s=call.limits.total_s)
        return await self._handler(replace(call, retry=self._course.retry, limits=limits))

    async def aclose(self) -> None:
        """Drop the running loop's connections. A loop of ``asyncio.run`` does so at its end."""
        await self._site.aclose()
        if self._own_fallback is not None:
            await self._own_fallback.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # --- from anywhere ---

    def generate(self, prompt: Prompt, **params: Any) -> Generation:
        """The whole answer."""
        return self._thread.run(self.async_generate(prompt, **params))

    def predict(self, text: str, **params: Any) -> str:
        """The answer's text."""
        return self.generate(text, **params).text

    def stream(self, prompt: Prompt, **params: Any) -> TextStream:
        """The answer's text, part by part, as ``astream`` gives it."""
        return TextStream(self.astream(prompt, **params), self._thread)

    def close(self) -> None:
        """End the thread of these methods, their connections, and what they still do."""
        thread, self._thread = self._thread, LoopThread()
        thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- within ---

    async def _read(self, prompt: Prompt, params: Mapping[str, Any], told: Told) -> AsyncGenerator[str, None]:
        call, sites = self._call(prompt, params, stream=True), self.sites
        answer = await chain((), self._handler)(call)
        parts, read = text_parts(answer), list[str]()
        try:
            async for part in parts:
                read.append(part)
                yield part
        finally:
            await parts.aclose()
            told.generation = generation_of(call, answer, sites, "".join(read))

    def _call(self, prompt: Prompt, params: Mapping[str, Any], *, stream: bool) -> Call:
        course = self._course
        return compose_call(self.name, prompt, params, stream=stream, limits=course.limits, retry=course.retry)

    def _compiled(self) -> Handler:
        course, fallback = self._course, self._fallback
        soft_s, degrade = course.soft_timeout_s, course.degrade
        handler: Handler = self._site
        if fallback is not None and soft_s is not None:
            handler = race(handler, fallback.answer, after_s=lambda: soft_s, limit_s=course.fallback_timeout_s)
        elif fallback is not None:
            handler = first([handler, fallback.answer])
        return handler if degrade is None else first([handler, fixed(degrade, template_answer)])
