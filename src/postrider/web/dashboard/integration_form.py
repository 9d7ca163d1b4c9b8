"""The form of an integration: to make one of a type, and to change one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from postrider.control import event_types, integrations
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.domain.integration import Integration
from postrider.domain.observe import EVERYTHING
from postrider.services import Services
from postrider.web.auth import ServicesDep
from postrider.web.errors import status_of

from . import configuration_fields, policy_words
from .configuration_fields import FormField, fields_of, lines
from .integration_secret import show_secret
from .notices import went_well
from .pages import show
from .previews import BUTTON, Preview, preview_of
from .session import FormDep, IntegrationWriter, Session

SECTION = "/integrations"
SYSTEMS = {
    "cxengage": "CxEngage",
    "era": "ERA",
    "hood": "Ocamba Hood",
    "integrator": "integrator.io",
}
"""What systems are called that keep something of their own, by their members of an integration's extras."""
TITLES = {
    "aws_sqs": "Amazon SQS",
    "mailchimp": "Mailchimp Transactional",
    "mailgun": "Mailgun",
    "mitto": "Mitto",
    "rest": "REST API",
    "salesforce": "Salesforce",
    "sendgrid": "SendGrid",
    "smtp": "Mail server (SMTP)",
    "stomp": "STOMP broker",
    "telegram": "Telegram",
    "twilio": "Twilio",
    "webhook": "Webhook",
    "zendesk": "Zendesk",
}
"""Of the types that are built in; others go by the name that they were installed under."""

router = APIRouter()


@dataclass(frozen=True, slots=True)
class TypeOfIntegration:
    """A type to choose."""

    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form."""

    name: str
    description: str
    enabled: bool
    observes: frozenset[str]
    """Which event types are ticked."""
    patterns: str
    """What else is observed, one a line."""
    texts: Mapping[str, str]
    """What the fields of the policy and the configuration hold, by their keys; of secrets nothing."""
    cleared: frozenset[str] = frozenset()
    """Which secrets are to be taken away, by the keys of their boxes."""
    anew: bool = False
    """Whether secrets that cannot be read are to be replaced."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with the form."""

    field: str
    """The key of the field; empty: the form as a whole."""
    text: str
    status: int


NO_COMPLAINT = Complaint("", "", 200)


@router.get("/integrations/new")
def choose_type(request: Request, services: ServicesDep, session: IntegrationWriter) -> Response:
    """Ask for the type of a new integration."""
    types = [
        TypeOfIntegration(name, TITLES.get(name, name), services.transports.get(name).configuration_model.__doc__ or "")
        for name in sorted(services.transports.names(), key=lambda name: (name != integrations.DEFAULT_TYPE, name))
    ]
    return show(request, session, "integration_types.html", section=SECTION, types=types)


@router.get("/integrations/new/{type_name}")
def new_integration(request: Request, services: ServicesDep, session: IntegrationWriter, type_name: str) -> Response:
    """Show the form for a new integration of a type."""
    fields = _fields(services, type_name)
    typed = Typed("", "", True, frozenset(), "", policy_words.DEFAULTS | {one.key: one.default for one in fields})
    return _form(request, services, session, type_name, fields, typed)


@router.post("/integrations/new/{type_name}")
def create_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, form: FormDep, type_name: str
) -> Response:
    """Make the integration; its signing secret is on the page that answers, and on no other."""
    fields = _fields(services, type_name)
    if BUTTON in form:
        seen = preview_of(services, session, form, type_name=type_name, fields=fields, stored={})
        return _form(request, services, session, type_name, fields, _typed(form, fields), seen=seen)
    try:
        data = _given(form, fields, type_name, {})
        made = integrations.create(services, session.tenant_id, data, by=session.actor)
    except InvalidInput as error:
        return _form(request, services, session, type_name, fields, _typed(form, fields), _complaint(error))
    return show_secret(request, session, made, was="created")


@router.get("/integrations/{integration_id:uuid}/edit")
def edit_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, integration_id: UUID
) -> Response:
    """Show the form with an integration in it."""
    old = integrations.get(services, session.tenant_id, integration_id)
    fields = _fields_of(services, old)
    known = event_types.known(services, session.tenant_id) | {EVERYTHING}
    typed = Typed(
        old.name,
        old.description,
        old.enabled,
        known & frozenset(old.observes),
        "\n".join(pattern for pattern in old.observes if pattern not in known),
        policy_words.texts_of(old.policy) | configuration_fields.texts_of(fields, old.configuration),
    )
    return _form(request, services, session, old.integration_type, fields, typed, old=old)


@router.post("/integrations/{integration_id:uuid}/edit")
def update_integration(
    request: Request, services: ServicesDep, session: IntegrationWriter, form: FormDep, integration_id: UUID
) -> Response:
    """Change an integration; what was left as it was stays."""
    old = integrations.get(services, session.tenant_id, integration_id)
    fields = _fields_of(services, old)
    type_name = old.integration_type
    if BUTTON in form and fields:
        seen = preview_of(services, session, form, type_name=type_name, fields=fields, stored=old.configuration)
        return _form(request, services, session, type_name, fields, _typed(form, fields), old=old, seen=seen)
    try:
        data = _given(form, fields, type_name, old.configuration)
        if not fields or (old.secrets_unreadable and "anew" not in form):
            del data["configuration"]
        if set(data["observes"]) == set(old.observes):
            # The form has an order of its own, which is no change.
            data["observes"] = list(old.observes)
        new = integrations.update(services, session.tenant_id, integration_id, data, by=session.actor)
    except (InvalidInput, Conflict) as error:
        typed, complaint = _typed(form, fields), _complaint(error)
        return _form(request, services, session, type_name, fields, typed, complaint, old=old)
    if old.secrets_unreadable and not new.secrets_unreadable:
        return show_secret(request, session, new, was="changed")
    return went_well(request, f"{SECTION}/{integration_id}", f"{new.name} is saved.")


def _fields(services: Services, type_name: str) -> list[FormField]:
    if type_name not in services.transports.names():
        raise NotFound("no such type of integration")
    return fields_of(services.transports.get(type_name).configuration_model)


def _fields_of(services: Services, old: Integration) -> list[FormField]:
    """List the fields of an integration; none when its type is not installed any more."""
    installed = old.integration_type in services.transports.names()
    return _fields(services, old.integration_type) if installed else []


def _given(form: FormData, fields: Sequence[FormField], type_name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Make of a form what the API takes as `data`."""
    return {
        "type": "integration",
        "integration_type": type_name,
        "name": _line(form, "name"),
        "description": _line(form, "description"),
        "enabled": "enabled" in form,
        "observes": [str(one) for one in form.getlist("observes")] + lines(str(form.get("patterns", ""))),
        "configuration": configuration_fields.read(fields, form, stored),
        "delivery": policy_words.read(form),
    }


def systems_of(integration: Integration) -> str:
    """Name the systems whose clients have set an integration up."""
    return ", ".join(title for name, title in SYSTEMS.items() if name in integration.extras)


def _line(form: FormData, name: str) -> str:
    return str(form.get(name, "")).replace("\r\n", "\n").strip()


def _typed(form: FormData, fields: Sequence[FormField]) -> Typed:
    """Keep what was typed, but no secret."""
    shown = {key: str(form.get(key, "")) for key in policy_words.DEFAULTS}
    shown |= {field.key: str(form.get(field.key, "")) for field in fields if not field.secret}
    return Typed(
        _line(form, "name"),
        _line(form, "description"),
        "enabled" in form,
        frozenset(str(one) for one in form.getlist("observes")),
        str(form.get("patterns", "")),
        shown,
        frozenset(field.clear_key for field in fields if field.clear_key in form),
        "anew" in form,
    )


def _complaint(error: InvalidInput | Conflict) -> Complaint:
    """Find the field that an error is about, and say it there without the field's name."""
    if isinstance(error, Conflict):
        return Complaint("", error.detail, status_of(error))
    _, room, member, index, *_ = [*error.pointer.split("."), "", "", ""]
    name, colon, text = error.detail.partition(": ")
    if colon and name == f"{member}.{index}":
        text = f"entry {int(index) + 1} {text}"
    elif not colon or name not in {room, member}:
        text = error.detail
    key = f"{room}.{member}" if room in {"configuration", "delivery"} and member else room
    return Complaint(key, text[:1].upper() + text[1:], status_of(error))


def _form(
    request: Request,
    services: Services,
    session: Session,
    type_name: str,
    fields: Sequence[FormField],
    typed: Typed,
    complaint: Complaint = NO_COMPLAINT,
    *,
    old: Integration | None = None,
    seen: Preview | None = None,
) -> Response:
    kept = {one.name for one in fields if one.secret and old and one.name in old.configuration}
    places = {"name", "description", "observes", *policy_words.DEFAULTS, *(one.key for one in fields)}
    return show(
        request,
        session,
        "integration_form.html",
        section=SECTION,
        status=complaint.status,
        type_name=type_name,
        type_title=TITLES.get(type_name, type_name),
        fields=fields,
        typed=typed,
        complaint=complaint,
        wrong={complaint.field: complaint.text},
        label_of_wrong=next((one.label for one in fields if one.key == complaint.field), ""),
        stray=complaint.text if complaint.field not in places else "",
        kept=kept,
        old=old,
        systems=systems_of(old) if old else "",
        preview=seen,
        event_types=[one.name for one in event_types.list_all(services, session.tenant_id)],
        defaults=policy_words.DEFAULTS,
    )
