"""``instance_of``: whatever schema, the instance is valid; and the user's own values are in it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.providers.simulated.pattern import Unsatisfiable, match_of
from penstock.providers.simulated.schema import instance_of


def check(schema: Any, text: str = "") -> Any:
    instance = instance_of(schema, text)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(instance)
    return instance


OPEN_PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE = OPEN_PLACE | {"additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": ["null", "integer"], "minimum": 3},
        {"const": {"a": [1]}},
        {"enum": [3, "x"]},
        {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "integer", "maximum": -4, "multipleOf": 3},
        {"type": "number", "multipleOf": 0.5, "minimum": 0.7},
        {"type": "string", "minLength": 20, "maxLength": 25},
        {"type": "string", "maxLength": 0},
        *(
            {"type": "string", "format": name}
            for name in ("date-time", "date", "time", "email", "uuid", "uri", "ipv4", "ipv6")
        ),
        {"type": "array", "items": PLACE, "minItems": 2},
        {"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "minItems": 2},
        {"$ref": "#/$defs/p", "$defs": {"p": PLACE}, "description": "beside a reference"},
        {"allOf": [OPEN_PLACE, {"type": "object", "properties": {"zip": {"type": "integer"}}, "required": ["zip"]}]},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "integer", "minimum": 4}}, "maximum": 5},
        {"anyOf": [{"type": "integer", "minimum": 2, "maximum": 1}, {"type": "null"}]},
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"type": "object", "minProperties": 1, "properties": {"a": {"type": "boolean"}}},
        {"type": "object", "required": ["unlisted"]},
        {
            "$ref": "#/$defs/Node",
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {
                        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    },
                    "required": ["next", "children"],
                }
            },
        },
    ],
)
def test_an_instance_is_valid(schema: Any) -> None:
    check(schema)


NUMBERS = st.builds(
    lambda low, span, kind: {"type": kind, "minimum": low, "maximum": low + span},
    st.integers(-50, 50),
    st.integers(0, 9),
    st.sampled_from(["integer", "number"]),
)
STRINGS = st.builds(
    lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
    st.integers(0, 12),
    st.integers(0, 9),
)
LEAVES = (
    NUMBERS | STRINGS | st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": ["a", 2]}, {"const": None}])
)
NAMES = st.sampled_from(["a", "b", "c"])


def nest(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.builds(
            lambda props: {"type": "object", "properties": props, "required": list(props)},
            st.dictionaries(NAMES, inner),
        )
        | st.builds(lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3))
        | st.builds(lambda first, rest: {"anyOf": [first, *rest]}, inner, st.lists(inner, max_size=2))
        | st.builds(lambda item: {"$defs": {"x": item}, "allOf": [item]}, inner)
    )


@settings(deadline=None)
@given(st.recursive(LEAVES, nest, max_leaves=8), st.text(alphabet="ab' \"12.-", max_size=30))
def test_every_schema_of_common_parts_gets_a_valid_instance(schema: Any, text: str) -> None:
    check(schema, text)


def test_numbers_and_quoted_words_are_the_users() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "limit": {"type": "number"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
        },
        "required": ["unit", "limit", "city", "days"],
    }
    asked = "Forecast for \"Hà Nội\" in 'fahrenheit': 3 days, warn at -2.5; don't use v2"
    assert check(schema, asked) == {"unit": "fahrenheit", "limit": -2.5, "city": "Hà Nội", "days": 3}
    assert instance_of({"type": "integer"}, "What is magic_function(3)?") == 3
    assert instance_of({"type": "integer", "minimum": 10}, "3 of 12") == 12
    assert instance_of({"type": "integer"}, "say '7'") == 0


@pytest.mark.parametrize(
    "pattern",
    [
        "^[A-Z]{3}-[0-9]{4}$",
        r"^\d{4}-\d{2}-\d{2}$",
        r"^(foo|bar)+\s?\w*$",
        r"^\+?[1-9]\d{1,14}$",
        "^[^@]+@[^@]+\\.[a-z]{2,}$",
        r"^(?:v)?(?P<major>\d+)\.(\d+)$",
        "a{2,}b?c*",
        r"^\$\d+\.\d{2}$",
        "^[]x]y$",
    ],
)
def test_a_pattern_is_met_without_being_run(pattern: str) -> None:
    check({"type": "string", "pattern": pattern})


def test_a_pattern_grows_to_the_least_length() -> None:
    assert check({"type": "string", "pattern": "^[a-z]+$", "minLength": 9}) == "aaaaaaaaa"


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9, "items": {"type": "null"}},
        {"type": "string", "pattern": "((a{1000}){1000}){1000}"},
    ],
)
def test_what_cannot_be_met_or_asks_too_much_is_said_so(schema: Any) -> None:
    with pytest.raises(Unsatisfiable):
        instance_of(schema)


def test_a_schema_that_branches_without_end_is_given_up() -> None:
    levels = {f"n{i}": {"anyOf": [{"$ref": f"#/$defs/n{i + 1}"}] * 2} for i in range(40)}
    with pytest.raises(Unsatisfiable):
        instance_of({"$ref": "#/$defs/n0", "$defs": levels | {"n40": False}})


@settings(deadline=None)
@given(st.text(alphabet="ab()[]{}|*+?^$\\d.-,12:<>=!P", max_size=30))
def test_any_pattern_is_read_to_its_end(pattern: str) -> None:
    with suppress(Unsatisfiable):
        assert len(match_of(pattern)) <= 4096


def test_a_pattern_that_leaves_no_character_is_unsatisfiable_and_no_crash() -> None:
    with pytest.raises(Unsatisfiable):
        match_of("[^a0-~ \x00]")
