"""What is wrong or doubtful about a route, beyond what types say."""

from __future__ import annotations

from penstock.config.document import Document
from penstock.config.sections import Route
from penstock.config.settings import Settings

_FORMS = ("primary", "first", "race", "select", "split", "mirror")
# What says something only beside something else.
_BESIDE = (("fallback", "primary"), ("among", "select"), ("select", "among"), ("sticky", "split"))


def check_route(name: str, route: Route, settings: Settings, document: Document) -> None:
    """Add to ``document.problems``."""
    path = ("routing", name)
    if name in document.names("models"):
        document.problem(path, f"`{name}` is a model alias too, and the route would hide it", "rename one of them")
    forms = [form for form in _FORMS if document.given((*path, form))]
    beside = [(setting, other) for setting, other in _BESIDE if document.given((*path, setting))]
    if len(forms) > 1:
        text = f"`{forms[1]}` and `{forms[0]}` are two forms of one thing"
        document.problem((*path, forms[1]), text, "keep one of them")
    elif not (forms or beside or route.primary):
        text = "this route names no model"
        document.problem(path, text, "write an alias, or `primary`, `first`, `race`, `select`, `split` or `mirror`")
    for setting, other in beside:
        if not document.given((*path, other)):
            document.problem((*path, setting), f"`{setting}` says nothing without `{other}`", f"add `{other}:`")
    for alias in route.split or ():
        document.refer((*path, "split", alias), alias, "models")
    if route.mirror is not None:
        document.refer((*path, "mirror", "main"), route.mirror.main, "models")
        document.refer((*path, "mirror", "copy"), route.mirror.copy_, "models")
    _steps(name, route, settings, document)
    _times(name, route, document)


def _steps(name: str, route: Route, settings: Settings, document: Document) -> None:
    path = ("routing", name)
    steps = route.steps
    if steps and route.split is None and route.mirror is None and not any(step.aliases for step in steps):
        document.problem(path, "this route asks no model", "put an alias before the degrade text")
    before: dict[str, str] = {}
    for index, step in enumerate(steps):
        place = _place(path, route, index)
        if (step.select is None) != (step.among is None):
            if route.first is not None:
                document.problem(
                    place, "`select` and `among` belong together", "write {select: cheapest, among: [a, b]}"
                )
        elif not step.aliases and step.degrade is None:
            document.problem(place, "this step does nothing", 'write an alias, or {degrade: "text"}')
        elif step.degrade is not None and index + 1 < len(steps):
            document.problem(place, "what stands after a degrade text is never asked", "put it last")
        for within, alias in step.aliases.items():
            at = (*place, *within)
            document.refer(at, alias, "models")
            model = settings.models.get(alias)
            if model is not None and model.provider in before:
                text = f"`{alias}` and `{before[model.provider]}` share the provider `{model.provider}`"
                document.problem(at, f"{text}: when it is down both are", "take another provider's model", warning=True)
            elif model is not None:
                before[model.provider] = alias


def _place(path: tuple[str, ...], route: Route, index: int) -> tuple[str | int, ...]:
    """Where a step of the long form stands in the file."""
    if route.first is not None and index < len(route.first):
        return (*path, "first", index)
    if route.primary is None or index >= len(_PAIR):
        return path
    return (*path, _PAIR[index])


_PAIR = ("primary", "fallback")


def _times(name: str, route: Route, document: Document) -> None:
    path = ("routing", name)
    for field in ("attempt_timeout_ms", "first_content_ms", "idle_gap_ms"):
        value = getattr(route, field)
        if value is not None and route.deadline_ms is not None and value > route.deadline_ms:
            text = f"`{field}` is longer than `deadline_ms`, and never takes effect"
            document.problem((*path, field), text, "make it smaller, so that a fallback still has time")
