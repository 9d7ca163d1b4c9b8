"""What the form of an integration would send: shown below it, with nothing saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from postrider.domain.errors import InvalidInput
from postrider.pipeline.preview import NAME, preview
from postrider.services import Services

from . import configuration_fields
from .configuration_fields import FormField
from .json_fields import read_payload
from .session import Session
from .words import pretty_json

BUTTON = "preview"
"""The name of the button that asks for it."""
PAYLOAD = "preview_payload"
LONGEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent, or why it cannot be told."""

    title: str = ""
    headers: str = ""
    body: str = ""
    """Laid out, and cut when it is long."""
    cut: bool = False
    note: str = ""
    complaint: str = ""
    payload: str = ""
    """What was typed to try it on."""


def preview_of(
    services: Services,
    session: Session,
    form: FormData,
    *,
    type_name: str,
    fields: Sequence[FormField],
    stored: Mapping[str, Any],
) -> Preview:
    """Make a preview of what stands in the form."""
    typed = str(form.get(PAYLOAD, ""))
    try:
        shown = preview(
            services,
            session.tenant_id,
            integration_type=type_name,
            configuration=configuration_fields.read(fields, form, stored),
            payload=read_payload("payload", typed) if typed.strip() else None,
            stored=stored,
            name=str(form.get("name", "")).strip() or NAME,
        )
    except InvalidInput as error:
        return Preview(complaint=error.detail, payload=typed)
    cut = len(shown.body) > LONGEST
    return Preview(
        title=shown.title,
        headers="\n".join(f"{name}: {value}" for name, value in shown.headers),
        body=shown.body[:LONGEST] if cut else pretty_json(shown.body),
        cut=cut,
        note=shown.note,
        payload=typed,
    )
