"""The stage ``render``: a registered prompt and its variables become messages."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call, PromptRef
from penstock.core.chain import Handler
from penstock.core.errors import InputTooLong, InvalidParameter, MissingVariable
from penstock.core.plan import Exclusion, narrow, plan_targets
from penstock.core.tokens import estimate_tokens
from penstock.prompts.place import place
from penstock.prompts.registry import Entry, Registry

# A template may use a variable many times: what comes out is bounded too.
MAX_RENDERED_CHARACTERS = 4_194_304


class Render:
    """Puts the prompt's messages before those that the call has, and its names on the trail."""

    name = "render"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Answer]:
        """Go on with messages.

        Raises ``PromptNotFound``, ``MissingVariable``, ``InvalidParameter`` and ``InputTooLong``.
        """
        if call.prompt is None:
            return proceed(call)
        return self._render(call, call.prompt, proceed)

    async def _render(self, call: Call, asked: PromptRef, proceed: Handler) -> Answer:
        entry = self._registry.find(asked.prompt_id, asked.version)
        prompt, trail = entry.prompt, call.trail
        trail.prompt_id, trail.prompt_version = prompt.prompt_id, prompt.version
        trail.schema_version = prompt.schema_version
        if prompt.compatible_models:
            call = _narrowed(call, prompt.compatible_models, prompt.prompt_id)
        values = _values(entry, asked)
        if sum(template.length(values) for _, template in entry.templates) > MAX_RENDERED_CHARACTERS:
            raise InputTooLong("The prompt and its variables are too long together.", param="variables")
        texts = [(role, template.fill(values)) for role, template in entry.templates]
        tokens = sum(estimate_tokens(text) for _, text in texts)
        return await proceed(replace(call, fields=place(call, texts), input_tokens=call.input_tokens + tokens))


def _narrowed(call: Call, compatible: tuple[str, ...], prompt_id: str) -> Call:
    """The call with a plan of models that the prompt is made for, and the decision saying what was left out."""
    if call.plan is None:
        return call
    before, plan = plan_targets(call.plan), narrow(call.plan, compatible)
    targets = () if plan is None else plan_targets(plan)
    if before and (plan is None or not targets):
        raise InvalidParameter(
            f"Prompt '{prompt_id}' is made for {', '.join(compatible)}; this call would go to {', '.join(before)}.",
            param="prompt_id",
        )
    if targets == before:
        return call
    reason = f"prompt '{prompt_id}' is not made for it"
    excluded = tuple(Exclusion(target, "prompt", reason) for target in before if target not in targets)
    decision = call.trail.decision
    if decision is not None:
        call.trail.decision = replace(decision, targets=targets, excluded=decision.excluded + excluded)
    return replace(call, plan=plan)


def _values(entry: Entry, asked: PromptRef) -> dict[str, str]:
    given = asked.variables
    missing = [name for name in entry.required if name not in given]
    if missing:
        names = ", ".join(missing)
        raise MissingVariable(f"Prompt '{asked.prompt_id}' needs the variables: {names}.", param="variables")
    unknown = sorted(name for name in given if name not in entry.known)
    if unknown:
        names = ", ".join(name[:100] for name in unknown[:20])
        takes = ", ".join(sorted(entry.known)) or "none"
        raise InvalidParameter(
            f"Prompt '{asked.prompt_id}' has no variables: {names}. It takes: {takes}.", param="variables"
        )
    return {**entry.defaults, **given}
