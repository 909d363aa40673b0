"""A recipe's keys by dotted name: what each means, what it may be, and a recipe written out with both."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from voco_model.training.recipe import Recipe

BOUNDS = (("exclusiveMinimum", "above {}"), ("minimum", "from {}"), ("maximum", "to {}"))
NOUNS = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "null": "null"}


EXPONENTS = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$|^[-+]?nan$|^[-+]?inf$")
"""Numbers to us, such as 1e-4, though YAML's standard of 2005 takes them for text."""
EXPONENTS_START = [*"-+.0123456789ni"]


class _Dumper(yaml.SafeDumper):
    """Text that would read as a number is quoted."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENTS, EXPONENTS_START)


@dataclass(frozen=True)
class Key:
    """One setting."""

    name: str
    """Dotted, as on the command line: `optimiser.lr`."""
    help: str
    allowed: str
    """In words, to follow "give"."""
    required: bool
    default: Any


@cache
def recipe_keys() -> dict[str, Key]:
    """Every setting, in the order of the recipe."""
    schema = Recipe.model_json_schema()
    return {key.name: key for key in _keys_of(schema, schema["$defs"], "")}


def _keys_of(section: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[Key]:
    required = section.get("required", ())
    for name, field in section["properties"].items():
        if "$ref" in field:
            yield from _keys_of(definitions[field["$ref"].rsplit("/", 1)[1]], definitions, f"{prefix}{name}.")
        else:
            help_text = " ".join(field["description"].split()).replace("None", "null")
            yield Key(prefix + name, help_text, _allowed(field), name in required, field.get("default"))


def _allowed(field: dict[str, Any]) -> str:
    """What a field's JSON schema allows, in words."""
    if "anyOf" in field:
        return " or ".join(_allowed(choice) for choice in field["anyOf"])
    if "enum" in field:
        return "one of " + ", ".join(str(value) for value in field["enum"])
    kind = field.get("type")
    if kind == "string":
        return "a path" if field.get("format") == "path" else "text"
    if kind == "array":
        if "prefixItems" in field:
            return f"a list of {len(field['prefixItems'])}, each {_allowed(field['prefixItems'][0])}"
        return f"a list, each {_allowed(field['items'])}"
    if kind == "object":
        return _allowed_mapping(field)
    return " ".join([NOUNS[kind or "null"], *(words.format(field[b]) for b, words in BOUNDS if b in field)])


def _allowed_mapping(field: dict[str, Any]) -> str:
    values = field.get("additionalProperties")
    names = field.get("propertyNames", {}).get("enum")
    words = "a mapping" + (f" of {', '.join(names)}" if names else "")
    return words + (f" to {_allowed(values)}" if isinstance(values, dict) else "")


def as_yaml(recipe: Recipe, comments: bool = True) -> str:
    """The whole recipe, defaults and all, to be read by a person and by `load_recipe` again."""
    return "\n".join(_lines(recipe.model_dump(mode="json"), "", comments)).lstrip("\n") + "\n"


def _lines(section: dict[str, Any], prefix: str, comments: bool) -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for name, value in section.items():
        key = recipe_keys().get(prefix + name)
        if key is None:
            yield from [""] * (comments and not indent)
            yield f"{indent}{name}:"
            yield from _lines(value, f"{prefix}{name}.", comments)
            continue
        if comments:
            yield f"{indent}# {key.help}"
        yield f"{indent}{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=2**20, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def describe_keys() -> str:
    """All keys with their defaults, their help and what they may be: for a terminal."""
    return "\n".join(
        f"{key.name}{' (required)' if key.required else ' = ' + json.dumps(key.default)}\n"
        f"    {key.help} Give {key.allowed}."
        for key in recipe_keys().values()
    )
