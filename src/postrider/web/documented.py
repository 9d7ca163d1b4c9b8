"""Models whose fields are described, in the API's document, by the sentences below them in the source.

pydantic can read these sentences when a class is made. It does so by searching the stack, which took half of the time
that a process needs to start; here they are read when somebody asks for the document.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue


class Documented(BaseModel):
    """A model of the API; what its fields are for is said by the string below each.

    Query parameters are the exception: FastAPI takes them apart, so they need `Field(description=...)`.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for name, sentence in _sentences(cls).items():
            field = cls.model_fields.get(name)
            described = properties.get(field.alias or name) if field else None
            if described is not None:
                described.setdefault("description", sentence)
        return made


def _sentences(model: type[Any]) -> dict[str, str]:
    """Collect what stands below a model's fields and those that it inherits, by the fields' names."""
    told: dict[str, str] = {}
    for base in reversed(model.__mro__):
        told |= _of_module(base.__module__).get(base.__name__, {}) if issubclass(base, Documented) else {}
    return told


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, KeyError):
        # Without its source a process serves all the same.
        return {}
    return {node.name: dict(_of_class(node)) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (field.target.id, inspect.cleandoc(below.value.value))
        for field, below in pairwise(node.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    ]
