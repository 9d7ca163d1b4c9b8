"""Templates in a configuration: what is sent of an event, checked when it is saved, rendered when it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from postrider.domain.errors import InvalidInput

from .configuration import Form, Template, TransportConfiguration, template_fields
from .template_language import TemplateFailed, compiled, rendered
from .template_sample import SAMPLE, sample_document
from .template_values import read
from .template_work import bounded

__all__ = ["SAMPLE", "TemplateFailed", "TemplatedConfiguration"]

MOST_TEMPLATES = 64 * 1024
"""Characters of all templates of one configuration: reading them takes as long as they are."""
_LONGEST_DETAIL = 500
# JSON can name half of a pair that UTF-16 makes a character of.
_HALF = re.compile("[\ud800-\udfff]")


class TemplatedConfiguration(TransportConfiguration):
    """A configuration with templates: fields marked `Annotated[str, Template(...)]`, or tables of such texts.

    They speak of `payload`, `event` (id, type, created_at), `integration` (id, name) and `delivery` (id, attempt).
    """

    def form_of(self, name: str, mark: Template) -> Form:
        """Say what a field's template makes; for a model in which another field decides about it."""
        del name
        return mark.form

    def render(self, body: bytes) -> dict[str, str]:
        """Make what is sent of a templated message's body: by field, those of a table as `headers.X-Name`.

        Raises TemplateFailed, which names the field.
        """
        return self._render(read(body))

    def check_against(self, payload: bytes | None) -> None:
        length = 0
        for path, source, form, _ in self._templates():
            length += len(source)
            if length > MOST_TEMPLATES:
                problem = f"all templates together must have at most {MOST_TEMPLATES // 1024} KiB"
                raise InvalidInput(f"data.configuration.{path}", f"{path}: {problem}")
            try:
                compiled(source, form)
            except TemplateFailed as error:
                raise InvalidInput(f"data.configuration.{path}", f"{path}: {error.problem}") from None
        try:
            self._render(read(sample_document(payload)))
        except _FieldFailed as error:
            raise InvalidInput(f"data.configuration.{error.path}", _advice(error, sample=payload is None)) from None

    def _render(self, document: Mapping[str, Any]) -> dict[str, str]:
        with bounded():
            return {path: _made(path, source, form, mark, document) for path, source, form, mark in self._templates()}

    def _templates(self) -> Iterator[tuple[str, str, Form, Template]]:
        for name, mark in template_fields(type(self)).items():
            value, form = getattr(self, name), self.form_of(name, mark)
            if isinstance(value, Mapping):
                yield from ((f"{name}.{key}", source, form, mark) for key, source in value.items())
            elif value is not None:
                yield name, value, form, mark


class _FieldFailed(TemplateFailed):
    """Names the field whose template failed."""

    def __init__(self, path: str, error: TemplateFailed) -> None:
        super().__init__(f"The template of {path} could not be filled in: {error.problem}."[:_LONGEST_DETAIL])
        self.path = path
        self.reason = error.problem
        self.missing = error.missing


def _made(path: str, source: str, form: Form, mark: Template, document: Mapping[str, Any]) -> str:
    try:
        return _finished(rendered(source, form, document), form, mark)
    except TemplateFailed as error:
        raise _FieldFailed(path, error) from None


def _finished(text: str, form: Form, mark: Template) -> str:
    if form is Form.LINE:
        text = " ".join(text.split())
    if not text.strip() and not mark.may_be_empty:
        raise TemplateFailed("nothing came of it, and nothing would be sent")
    if form is Form.JSON:
        _check_json(text)
    if _HALF.search(text):
        raise TemplateFailed("half of a character is in what comes of it, which cannot be sent")
    return text


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise TemplateFailed(f"what comes of it is not JSON ({error})") from None


def _advice(error: _FieldFailed, *, sample: bool) -> str:
    where = "with the sample event" if sample else "with this payload"
    if not error.missing:
        return f"{error.path}: cannot be filled in {where}: {error.reason}"
    return (
        f"{error.path}: {error.missing} is not there {where}; "
        f'where it may be missing, write {{{{ {error.missing} | default("") }}}}'
    )
