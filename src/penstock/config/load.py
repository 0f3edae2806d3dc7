"""Reading a config: file, then environment, then every check, then either ``Settings`` or every problem at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path as FilePath
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from penstock.config.checks import check
from penstock.config.document import STAND_IN, Document, Path
from penstock.config.problems import ConfigError, Problem, did_you_mean
from penstock.config.sections import Server
from penstock.config.settings import Settings
from penstock.config.store import Store
from penstock.core.plan import Price, Sold
from penstock.core.ports import PriceList, PricesUnknown

# Rows and their default addresses come from the providers' table; these two are always there.
BUILT_IN_KINDS: Mapping[str, str | None] = {"simulated": "", "openai_compatible": None}


class ConfigText(Struct, frozen=True):
    """What a file said when it was read, or would say."""

    path: FilePath
    text: str


def load_settings(
    file: FilePath | ConfigText,
    env: Mapping[str, str],
    *,
    kinds: Mapping[str, str | None] = BUILT_IN_KINDS,
    fault_kinds: Collection[str] | None = None,
    options: Mapping[str, str] = MappingProxyType({}),
    price_list: PriceList | None = None,
) -> Settings:
    """The settings in ``file`` with ``env`` laid over them.

    ``kinds`` maps each provider kind to its default base URL; ``None`` where the file must give one. ``fault_kinds``
    are the ways a simulated provider can fail; ``None`` lets any pass. ``options`` names the command line's option behind
    a variable of ``env``, where there is one. ``price_list`` is asked for the models that the file gives no price. Raises
    ``ConfigError`` with every problem there is; what is only doubtful is in the result's ``warnings``.
    """
    path, text = (file, read_config(file)) if isinstance(file, FilePath) else (file.path, file.text)
    document = Document(text, env)
    if document.problems and not document.data:
        raise ConfigError(document.problems)
    overrides = override_names()
    document.override(overrides, options)
    _check_names(env, overrides, document)
    folder, settings = path.absolute().parent, _validate(document)
    prices = {} if price_list is None else _look_up(settings, kinds, price_list, document)
    settings = settings.placed(folder, (), prices)
    check(settings, document, kinds, fault_kinds)
    problems = sorted(document.problems, key=lambda each: (each.line, each.column))
    if any(each.severity == "error" for each in problems):
        raise ConfigError(problems, settings)
    return settings.placed(folder, tuple(problems), prices)


def _look_up(
    settings: Settings, kinds: Mapping[str, str | None], price_list: PriceList, document: Document
) -> Mapping[str, Price]:
    """The prices of the models that give none, as far as they are known."""
    models = {}
    for alias, model in settings.models.items():
        provider = settings.providers.get(model.provider)
        if provider is not None and settings.price(alias) is None:
            models[alias] = Sold(provider.kind, provider.base_url or kinds.get(provider.kind) or "", model.model_id)
    try:
        return price_list(models, settings.store.database) if models else {}
    except PricesUnknown as error:
        document.problem(("models",), str(error), error.cure, warning=True)
        return error.rest


def read_config(path: FilePath) -> str:
    """The text of a config file. Raises ``ConfigError``."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "give the file with --config FILE, or set PENSTOCK_CONFIG"
        problem = Problem(0, 0, "", f"{path} cannot be read: {error.strerror}", hint)
        raise ConfigError([problem]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(1, 1, "", f"{path} is not UTF-8", "save it as UTF-8")]) from None


def override_names() -> dict[str, Path]:
    """Every environment variable that overrides a setting, and the setting's path."""
    names: dict[str, Path] = {}
    for section, model in (("server", Server), ("store", Store)):
        _leaves(model, (section,), names)
    names["PENSTOCK_PEPPER"] = ("store", "pepper")
    del names["PENSTOCK_STORE_PEPPER"]
    return names


def _leaves(model: type[BaseModel], path: tuple[str, ...], names: dict[str, Path]) -> None:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            _leaves(inner, (*path, name), names)
        else:
            names["_".join(("PENSTOCK", *path, name)).upper()] = (*path, name)


def _check_names(env: Mapping[str, str], overrides: Mapping[str, Path], document: Document) -> None:
    for name in sorted(env):
        if name.startswith(("PENSTOCK_SERVER_", "PENSTOCK_STORE_")) and name not in overrides:
            problem = Problem(0, 0, name, f"{name} overrides no setting", did_you_mean(name, overrides), "warning")
            document.problems.append(problem)


_WHOLE = ("this must be a whole number", "write digits only, such as 8000")
_NUMBER = ("this must be a number", "write it without unit or quotes")
_BOOL = ("this must be true or false", "write it without quotes")
_MAPPING = ("this must be a mapping", "write `name: value` lines, indented under it")
_WORDS = {
    "string_type": ("this must be text", "put it in quotes"),
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": _BOOL,
    "bool_type": _BOOL,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": ("this must be a list", "write [a, b] or one `- item` a line"),
    "string_pattern_mismatch": ("this does not have the right form", ""),
    "too_short": ("this is empty", "give at least one"),
}


# --- validation that goes on after the first mistake -----------------------------------------------------------------


def _validate(document: Document) -> Settings:
    """What is left of the document when all that is wrong has been told and taken out."""
    data = document.data
    told = False
    while True:
        try:
            return Settings.model_validate(data)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        places = [_place(detail, data) for detail in details]
        if not told:
            for detail, place in zip(details, places, strict=True):
                if place not in document.unset:
                    _tell(detail, place, document)
            told = True
        _stand_in(details, places, document)
        # From the back, so that the indexes of a list stay true.
        wrong = {place for detail, place in zip(details, places, strict=True) if detail["type"] != "missing"}
        for place in sorted(wrong, key=_sort_key, reverse=True):
            _remove(data, place)


def _stand_in(details: list[ErrorDetails], places: list[Path], document: Document) -> None:
    """Put something valid where a required value is missing, so that what stands beside it is checked too."""
    for detail, place in zip(details, places, strict=True):
        if detail["type"] == "missing":
            field = str(detail["loc"][-1])
            at: Any = document.data
            for part in place:
                at = at[part]
            at[field] = [STAND_IN] if field == "allowed_models" else STAND_IN
            document.unset.add((*place, field))


def _sort_key(place: Path) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in place]


def _place(detail: ErrorDetails, data: Any) -> Path:
    """Where in the data the error is: for a missing key what lacks it, for the rest the value itself."""
    place: list[str | int] = []
    for part in detail["loc"]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            break
        place.append(part)
    return tuple(place)


def _remove(data: Any, place: Path) -> None:
    """Take one value out; it may be gone with what was around it."""
    try:
        at: Any = data
        for part in place[:-1]:
            at = at[part]
        del at[place[-1]]
    except (KeyError, IndexError):
        return


def _tell(detail: ErrorDetails, place: Path, document: Document) -> None:
    kind, context = detail["type"], detail.get("ctx", {})
    key = str(place[-1]) if place else ""
    message, suggestion = _friendly(kind, detail["msg"], context)
    if kind == "extra_forbidden":
        message, suggestion = f"`{key}` is no setting here", did_you_mean(key, _fields(place[:-1]))
    elif kind == "missing":
        missing = detail["loc"][-1]
        message, suggestion = f"`{missing}` is missing", f"add `{missing}:` here"
    elif detail["loc"][-1:] == ("[key]",):
        message = f"`{key[:80]}` cannot be a name"
        suggestion = "use letters, digits and . _ - : / @, beginning with a letter or digit"
    elif not suggestion and key in (fields := _fields(place[:-1])):
        suggestion = fields[key].description or ""
    document.problem(place, message, suggestion)


def _friendly(kind: str, message: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """A message and a cure in the words of a config file instead of pydantic's."""
    if kind == "literal_error":
        return f"this must be {context.get('expected', 'one of the known words')}", ""
    if kind == "string_too_short":
        return f"this must have {context.get('min_length', 1)} characters or more", ""
    if kind in {"too_short", "too_long"} and context.get("field_type") != "List":  # of a secret
        than = (
            f"shorter than {context['min_length']}" if kind == "too_short" else f"longer than {context['max_length']}"
        )
        return f"this is {than} characters", ""
    return _WORDS.get(kind, (message.replace("Input should be", "this must be"), ""))


def _fields(path: Path) -> dict[str, FieldInfo]:
    """The settings that may stand at ``path``."""
    at: Any = Settings
    for part in path:
        if isinstance(at, type) and issubclass(at, BaseModel):
            field = at.model_fields.get(str(part))
            at = None if field is None else field.annotation
        else:
            at = get_args(at)[-1] if get_args(at) else None
        at = _bare(at)
    return at.model_fields if isinstance(at, type) and issubclass(at, BaseModel) else {}


def _bare(annotation: Any) -> Any:
    """The type without ``Annotated`` and ``| None``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin is Union or origin is UnionType:
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        else:
            return annotation
