"""JSON schemas of an experiment and of a training, with the options of every part that is known here: editors complete and check
a file by them.

The specs mark where the name of a part stands (`harness.experiment.beside.PART`). Each mark becomes the choice of the names, and
what the named part takes becomes an `if`/`then` beside it. A part in a file may be named anywhere: it takes any option. The
dialect is draft-07, which editors' YAML support knows best.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

import environments
from agents.models import REGISTRY as PROVIDERS
from agents.models.config import ModelConfig
from agents.prompts import ACTOR_FIELDS
from agents.strategists import REGISTRY as STRATEGISTS
from agents.strategists import SCRIPT, kind_of
from harness.base.errors import BadInput
from harness.base.registry import Registry
from harness.experiment.beside import PART
from harness.experiment.experiment import Experiment
from harness.judging.rewards.process import REGISTRY as PROCESS_METHODS
from harness.judging.rewards.process import process_kind
from harness.results.judge_kinds import REGISTRY as JUDGES
from harness.results.judge_kinds import judge_kind

DIALECT = "http://json-schema.org/draft-07/schema#"
WHERE = "#/definitions/{model}"
MODE: JsonSchemaMode = "validation"
IN_A_FILE = {
    "type": "string",
    "pattern": r"\.py:[A-Za-z_]\w*$",
    "description": "PATH.py:NAME, a part in a file; the path is relative to this file.",
}
SCRIPTED = {
    "type": "string",
    "pattern": rf"^{SCRIPT}[a-z][\w-]*$",
    "description": "A scripted strategist of the environment's own; `harness list` shows them.",
}
NOTHING = {"type": "null"}
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One known part: a line about it, its options where it declares them, and what else a file may say beside its name."""

    description: str = ""
    options: type[BaseModel] | None = None
    beside: Mapping[str, Schema] | None = None
    """Key beside the part's name -> what is allowed there."""
    required: tuple[str, ...] = ()


Parts = Mapping[str, Mapping[str, Part]]
"""Kind of part -> name -> part."""


def experiment_schema(built_in: bool = False) -> Schema:
    """The JSON schema of an experiment file, with the parts that are installed here, or the built-in ones alone."""
    return _schema(Experiment, known_parts(built_in))


def training_schema(built_in: bool = False) -> Schema:
    """The JSON schema of a training file. A strategist beside the training may leave its model out."""
    from harness.training.loop.config import TrainConfig

    parts = known_parts(built_in)
    free = {name: Part(each.description, each.options, each.beside) for name, each in parts["strategist"].items()}
    return _schema(TrainConfig, {**parts, "strategist": free})


def known_parts(built_in: bool) -> Parts:
    """Every part of every kind; one that does not load is only named."""
    tables: dict[str, tuple[Registry, Callable[[str], Part]]] = {
        "environment": (environments.REGISTRY, partial(_environment, own_data=not built_in)),
        "strategist": (STRATEGISTS, _strategist),
        "judge": (JUDGES, _judge),
        "process reward": (PROCESS_METHODS, _process),
        "provider": (PROVIDERS, _provider),
    }
    return {
        kind: {name: _loaded(name, read) for name in (table.builtin if built_in else table.names())}
        for kind, (table, read) in tables.items()
    }


def _loaded(name: str, read: Callable[[str], Part]) -> Part:
    try:
        return read(name)
    except (ImportError, AttributeError, BadInput) as error:
        return Part(f"not usable here ({error})")


def _environment(name: str, own_data: bool) -> Part:
    """`own_data`: name the splits of data that this user has imported, too."""
    part = environments.REGISTRY.load(name)
    made = environments.make(name) if not _required(options := _options(part)) else None
    known = [] if made is None else [split for split in made.splits() if own_data or split not in made.own_splits()]
    splits = {} if made is None else {"split": {"examples": known}}
    return Part(_own_text(part), options, splits)


def _strategist(name: str) -> Part:
    kind = kind_of(name)
    if not kind.needs_model:
        return Part(kind.description, beside={"model": NOTHING, "prompt": NOTHING})
    beside = {"model": {"type": "string"}, "prompt": _prompt_text(kind.prompt_fields)}
    return Part(kind.description, beside=beside, required=("model",))


def _judge(name: str) -> Part:
    kind = judge_kind(name)
    return Part(
        kind.description, beside={"prompt": _prompt_text(kind.prompt_fields) if kind.prompt_fields else NOTHING}
    )


def _process(name: str) -> Part:
    kind = process_kind(name)
    options = _options(PROCESS_METHODS.load(name))
    if kind.needs_model:
        return Part(kind.description, options, {"model": {"type": "string"}}, ("model",))
    return Part(kind.description, options, {"model": NOTHING})


def _provider(name: str) -> Part:
    part = PROVIDERS.load(name)
    options = _options(part)
    return Part(_own_text(part if isinstance(part, type) else options), options)


def _prompt_text(fields: object) -> Schema:
    return {"description": f"A text file, relative to this file, with a prompt of your own; fields {fields}."}


def _options(part: Any) -> type[BaseModel] | None:
    """The options that a part declares; None where it does not, or they have no JSON schema."""
    options = getattr(part, "Options", None)
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        return None
    try:
        options.model_json_schema()
    except PydanticUserError:
        return None
    return options


def _own_text(kind: Any) -> str:
    """The docstring of a class; none that it only inherits."""
    return " ".join((kind.__doc__ or "").split()) if isinstance(kind, type) else ""


def _required(options: type[BaseModel] | None) -> bool:
    return options is not None and any(field.is_required() for field in options.model_fields.values())


def _schema(config: type[BaseModel], parts: Parts) -> Schema:
    """The schema of a config, its marks filled, in the order pydantic gives."""
    options = [part.options for kind in parts.values() for part in kind.values() if part.options is not None]
    refs, found = models_json_schema(
        [(model, MODE) for model in dict.fromkeys([config, *options])],
        schema_generator=_WithTexts,
        ref_template=WHERE,
    )
    places: dict[Any, JsonSchemaValue] = {model: place for (model, _), place in refs.items()}
    definitions = found["$defs"]
    for model in dict.fromkeys(options):
        definitions[_name_of(places[model])]["additionalProperties"] = False
    fill = _Filler(parts, places)
    filled = {name: fill(node) for name, node in definitions.items()}
    if "ActorSpec" in filled:
        filled["ActorSpec"]["oneOf"] = [_one_of("model"), _one_of("script")]
        filled["ActorSpec"]["properties"]["prompt"] |= _prompt_text(ACTOR_FIELDS)
    whole = filled.pop(_name_of(places[config]))
    return {"$schema": DIALECT, "title": config.__name__, **whole, "definitions": dict(sorted(filled.items()))}


def _name_of(place: Mapping[str, Any]) -> str:
    return str(place["$ref"]).rpartition("/")[2]


def _one_of(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"type": "string"}}}


class _Filler:
    """Fills the marks of a schema's nodes."""

    def __init__(self, parts: Parts, places: Mapping[Any, JsonSchemaValue]) -> None:
        self._parts, self._places = parts, places

    def __call__(self, node: Any) -> Any:
        """The node and all below it, filled."""
        if isinstance(node, list):
            return [self(each) for each in node]
        if not isinstance(node, dict):
            return node
        filled = {key: self(value) for key, value in node.items() if key != PART}
        if isinstance(filled.get("description"), str):
            filled["description"] = " ".join(filled["description"].split())
        kind = node.get(PART)
        if kind == "provider":
            return {**filled, **self._model()}
        if kind is not None:
            return {**{key: value for key, value in filled.items() if key != "type"}, **self._names(kind)}
        branches = self._branches(node.get("properties", {}))
        return {**filled, "allOf": branches} if branches else filled

    def _names(self, kind: str) -> Schema:
        """Choose one of the known names."""
        known = [
            {"const": name, **({"description": part.description} if part.description else {})}
            for name, part in self._parts[kind].items()
        ]
        scripted = [SCRIPTED] if kind == "strategist" else []
        return {"anyOf": [*known, *scripted, IN_A_FILE]}

    def _branches(self, properties: Mapping[str, Any]) -> list[Schema]:
        """Conditions on what a named part takes beside its name, for an object one of whose keys names a part."""
        marked = ((key, node) for key, node in properties.items() if isinstance(node, dict) and PART in node)
        key, node = next(((key, node) for key, node in marked if node[PART] != "provider"), ("", {}))
        if not key:
            return []
        found = []
        for name, part in self._parts[node[PART]].items():
            allowed = {each: value for each, value in (part.beside or {}).items() if each in properties}
            if part.options is not None and "options" in properties:
                allowed["options"] = dict(self._places[part.options])
            required = [*part.required, *(["options"] if _required(part.options) else [])]
            then = {**({"properties": allowed} if allowed else {}), **({"required": required} if required else {})}
            if then:
                found.append({"if": _named(key, name, node.get("default") == name), "then": then})
        return found

    def _model(self) -> Schema:
        """An entry under `models`: a provider's name, and that provider's options."""
        known = self._parts["provider"]
        branches = [
            {"if": _named("provider", name), "then": dict(self._places[part.options])}
            for name, part in known.items()
            if part.options is not None
        ]
        provider = {"description": texts_under_fields(ModelConfig)["provider"], **self._names("provider")}
        return {"properties": {"provider": provider}, "required": ["provider"], "allOf": branches}


def _named(key: str, name: str, by_default: bool = False) -> Schema:
    """Condition that an object names a part, or leaves the name out where that is the default."""
    return {"properties": {key: {"const": name}}, **({} if by_default else {"required": [key]})}


class _WithTexts(GenerateJsonSchema):
    """Describes a field by the text that stands under it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        texts = texts_under_fields(schema["cls"])
        for name, node in found.get("properties", {}).items():
            if name in texts:
                node.setdefault("description", texts[name])
        found.pop("title", None)
        return found


def texts_under_fields(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the text under it in the source of a model or its bases; nothing for one whose source is not there."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            found |= _texts_in(kind)
    return found


def _texts_in(kind: type) -> dict[str, str]:
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    found = {}
    for field, after in pairwise(statements):
        text = _text_of(after)
        if text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = inspect.cleandoc(text)
    return found


def _text_of(statement: ast.stmt) -> str:
    """The text that a statement is; empty for any other."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
