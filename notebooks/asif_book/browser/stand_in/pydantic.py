"""What the workbook asks of pydantic, for a browser: JSON of dataclasses in and out, with strictly checked types.

Pyodide's own server has pydantic's compiled core, and no registry has one for this version of Pyodide. A registry must
do, so that the edition can be built without that server. Limits of a ``Field`` are not checked here.
"""

import dataclasses
import json
import types
import typing


class ValidationError(ValueError):
    """One mistake in a value, and where it stands."""

    def __init__(self, message, *where):
        super().__init__(message)
        self.message, self.where = message, where

    def errors(self, **_):
        return [{"loc": self.where, "msg": self.message}]


class BaseModel:
    """A class whose annotations are its fields."""

    def __init__(self, **fields):
        vars(self).update(fields)


def Field(**limits):
    return limits


ConfigDict = Field


def field_validator(*names):
    return lambda function: function


def _inside(value, kind, where):
    try:
        return checked(value, kind)
    except ValidationError as error:
        raise ValidationError(error.message, where, *error.where) from None


def checked(value, kind):
    """Return a value of JSON as `kind`, or raise `ValidationError`."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return checked(value, next((one for one in parts if type(value) is one), parts[0]))
    if kind is typing.Any or (origin is typing.Literal and value in parts):
        return value
    if origin in (list, tuple) and type(value) is list and (origin is list or len(value) == len(parts)):
        return origin(map(checked, value, parts * len(value) if origin is list else parts))
    if origin is dict and type(value) is dict:
        return {checked(key, parts[0]): _inside(one, parts[1], key) for key, one in value.items()}
    fields = (
        dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__") or issubclass(origin or kind, BaseModel)
    )
    if fields and type(value) is dict:
        hints = typing.get_type_hints(kind)  # without `Annotated` and `NotRequired`
        found = {name: _inside(value[name], hint, name) for name, hint in hints.items() if name in value}
        if lacking := sorted(getattr(kind, "__required_keys__", frozenset()) - found.keys()):
            raise ValidationError("Field required", lacking[0])
        try:
            return kind(**found)
        except (TypeError, ValueError) as error:  # a field is missing, or the class refuses what it holds
            raise ValidationError(str(error)) from None
    if type(value) is not kind and (kind, type(value)) != (float, int):
        raise ValidationError(f"Input should be a valid {getattr(kind, '__name__', kind)}")
    return value


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
        return json.dumps(value, default=vars, indent=indent, ensure_ascii=False).encode()
