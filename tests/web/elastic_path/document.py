"""Elastic Path's OpenAPI document as a judge of answers."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from web.elastic_path.corrections import correct

_SOURCE = Path(__file__).with_name("openapi.yaml")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/]+(/\S*)?")

_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or (_MOMENT.fullmatch(value) is not None and bool(datetime.fromisoformat(value)))


@_formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


@cache
def document() -> dict[str, Any]:
    """Read the document, with its corrections."""
    return correct(published())


def published() -> dict[str, Any]:
    """Read the document as it was published."""
    read: dict[str, Any] = yaml.safe_load(_SOURCE.read_text())
    return read


def operations() -> list[tuple[str, str]]:
    """List the operations as (method, path)."""
    return [
        (method, path) for path, methods in document()["paths"].items() for method in methods if method != "parameters"
    ]


def problems(method: str, path: str, status: int, answer: object) -> list[str]:
    """List what the document finds wrong with an answer; KeyError when it has no such operation or status."""
    response = document()["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return _problems(response["content"]["application/json"]["schema"], answer)


def body_problems(method: str, path: str, body: object) -> list[str]:
    """List what the document finds wrong with a request's body."""
    content = document()["paths"][path][method]["requestBody"]["content"]
    return _problems(content["application/json"]["schema"], body)


def example(schema: str) -> dict[str, Any]:
    """Put together what the document gives as the examples of a schema's properties."""
    properties = document()["components"]["schemas"][schema]["properties"]
    return {name: described["example"] for name, described in properties.items() if "example" in described}


def _problems(schema: dict[str, Any], value: object) -> list[str]:
    # An object's schemas say nothing of the envelope: every answer has it.
    whole = {**schema, "required": ["data"] if "data" in schema.get("properties", {}) else [], **_components()}
    judge = Draft202012Validator(whole, format_checker=_formats)
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(value)]


def _components() -> dict[str, Any]:
    return {"components": document()["components"]}
