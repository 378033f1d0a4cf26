"""What the workbook asks of pydantic, for a browser, where pydantic has no build: JSON in and out, strictly checked.

Known are dataclasses, `BaseModel`, TypedDict, lists, tuples, dictionaries, Literal, unions, and `Field` with limits.
"""

import dataclasses
import json
import re
import types
import typing


class ValidationError(ValueError):
    """One mistake in a value, and where it stands."""

    def __init__(self, message, *where):
        super().__init__(message)
        self.message, self.where = message, where

    def errors(self, **_):
        return [{"loc": self.where, "msg": self.message}]


def Field(**limits):
    return limits


def ConfigDict(**settings):
    return settings


def field_validator(*names):
    """Mark a class method that looks at fields once they are right."""
    return lambda function: function


class BaseModel:
    """A class whose annotations are its fields."""

    def __init__(self, **fields):
        vars(self).update(fields)


LIMITS = {
    "ge": lambda value, limit: value >= limit,
    "le": lambda value, limit: value <= limit,
    "min_length": lambda value, limit: len(value) >= limit,
    "max_length": lambda value, limit: len(value) <= limit,
    "pattern": lambda value, limit: re.search(limit, value),
}


def _inside(value, kind, *where):
    try:
        return checked(value, kind)
    except ValidationError as error:
        raise ValidationError(error.message, *where, *error.where) from None


def checked(value, kind):
    """Return a value of JSON as `kind`, or raise `ValidationError`."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        value = checked(value, parts[0])
        for name, limit in parts[1].items():
            if not LIMITS[name](value, limit):
                raise ValidationError(f"Input should have {name} {limit}")
        return value
    if origin is typing.Literal:
        if not any(value == one and type(value) is type(one) for one in parts):
            raise ValidationError(f"Input should be {' or '.join(map(repr, parts))}")
        return value
    if origin in (typing.Union, types.UnionType):
        for one in parts:
            try:
                return checked(value, one)
            except ValidationError as error:
                found = error
        raise found
    if kind is typing.Any or (kind in (None, type(None)) and value is None):
        return value
    if origin in (list, dict, tuple):
        checked(value, dict if origin is dict else list)
        if origin is dict:
            return {checked(k, parts[0]): _inside(v, parts[1], k) for k, v in value.items()}
        kinds = parts * len(value) if origin is list else parts
        return origin(_inside(v, one, i) for i, (v, one) in enumerate(zip(value, kinds, strict=True)))
    if dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__") or issubclass(kind, BaseModel):
        return _made(value, kind)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValidationError(f"Input should be a valid {kind.__name__}")
    return float(value) if kind is float else value


def _made(value, kind):
    fields = typing.get_type_hints(kind, include_extras=True)
    fields = {name: one for name, one in fields.items() if typing.get_origin(one) is not typing.ClassVar}
    known, found = checked(value, dict), {}
    forbids = getattr(kind, "__pydantic_config__", getattr(kind, "model_config", {})).get("extra") == "forbid"
    if forbids and (extra := known.keys() - fields):
        raise ValidationError("Extra inputs are not permitted", min(extra))
    factories = (
        {field.name for field in dataclasses.fields(kind) if field.default_factory is not dataclasses.MISSING}
        if dataclasses.is_dataclass(kind)
        else ()
    )
    for name, one in fields.items():
        if typing.get_origin(one) is typing.NotRequired:
            (one,) = typing.get_args(one)
        if name in known:
            found[name] = _inside(known[name], one, name)
        elif name in getattr(kind, "__required_keys__", fields) and not hasattr(kind, name) and name not in factories:
            raise ValidationError("Field required", name)
    try:
        return found if issubclass(kind, dict) else kind(**found)
    except ValidationError:
        raise
    except ValueError as error:
        raise ValidationError(f"Value error, {error}") from None


def _plain(value):
    return {**vars(value)} if dataclasses.is_dataclass(value) or isinstance(value, BaseModel) else str(value)


class TypeAdapter:
    """Reads and writes values of one kind as JSON."""

    def __init__(self, kind):
        self.kind = kind

    def validate_json(self, content, strict=True):
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"Invalid JSON: {error}") from None
        return checked(value, self.kind)

    def dump_json(self, value, indent=None):
        return json.dumps(value, default=_plain, indent=indent, ensure_ascii=False).encode()
