"""Every route of the app: who may use it, and how another tenant's ids are put into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from postrider.domain.access import Permission

MARK = "the-other-tenants-own"
_NEAR = f"order.{MARK[:-1]}"  # so near to an event type of the other tenant's that a hint would give it away
_PLACE = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Things:
    """Ids of what a tenant has; all of them may be made up."""

    event: str
    integration: str
    delivery: str
    job: str
    api_key: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its table entry says what the walk tries."""

    method: str
    path: str
    """As the app declares it."""
    permission: Permission | None
    """None: open to all."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Which of the things each path parameter names."""
    queries: tuple[str, ...] = ()
    """Filters, with the things' names in braces."""
    bodies: tuple[Any, ...] = (None,)
    """What is sent as `data`, with the things' names in braces; None: no body."""
    told: tuple[int, ...] = (404,)
    """What may be answered about another tenant's things, and about what is not there."""

    @property
    def plain_path(self) -> str:
        """As the OpenAPI document has it."""
        return self.path.replace(":uuid}", "}")

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the paths of its requests look like."""
        return re.compile(re.sub(r"{[^}]*}", "[0-9a-f-]{36}", self.path))

    def at(self, things: Things) -> str:
        """Give the path for these things."""
        names = {f.name: getattr(things, f.name) for f in fields(things)}
        return re.sub(r"{(\w+)(?::\w+)?}", lambda found: names[self.ids[found[1]]], self.path)

    def used(self) -> set[str]:
        """Name the things that a caller can name to it."""
        return {*self.ids.values(), *_PLACE.findall(repr((self.queries, self.bodies)))}

    def requests(self, things: Things) -> Iterator[tuple[str, Any]]:
        """Give the path with each filter, and with each body."""
        path = self.at(things)
        for query in self.queries:
            yield f"{path}?{_filled(query, things)}", None
        for data in self.bodies:
            yield path, None if data is None else {"data": _filled(data, things)}


def mixed(own: Things, other: Things, used: set[str]) -> Iterator[Things]:
    """Put one of the other's things among one's own, each in its turn, and then all that are used."""
    for name in sorted(used):
        yield replace(own, **{name: getattr(other, name)})
    yield replace(own, **{name: getattr(other, name) for name in used})


def _filled(value: Any, things: Things) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(lambda found: getattr(things, found[1]), value)
    if isinstance(value, Mapping):
        return {name: _filled(each, things) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, things) for each in value]
    return value


_EVENT, _DELIVERY, _JOB = {"event_id": "event"}, {"delivery_id": "delivery"}, {"job_id": "job"}
_INTEGRATION = {"integration_id": "integration"}
_WHERE = ("integration_id={integration}", "event_id={event}", "integration_id={integration}&event_id={event}")
_FILTERS = (
    {"ids": ["{delivery}"]},
    {"filter": {"integration_id": "{integration}"}},
    {"filter": {"event_id": "{event}"}},
    {"filter": {"integration_id": "{integration}", "event_id": "{event}"}},
)
_I = "/v2/integrations"
_ONE = f"{_I}/{{integration_id:uuid}}"
_CHANGE = {"type": "integration", "name": "stolen"}
_CREATE = {"type": "integration", "name": "near", "observes": [_NEAR], "configuration": {"url": "https://x.example"}}
_PUBLISH = {"type": "event", "event_type": _NEAR, "payload": None}
_KEY = {"name": "stolen", "permissions": ["events:read"], "tenant_id": "{tenant}"}
_AUDIT = ("tenant_id={tenant}",)
_OBJECTS = ("object_id={integration}", "object_id={delivery}", "actor_key_id={api_key}")

ROUTES = (
    Route("POST", "/v2/events", Permission.EVENTS_PUBLISH, bodies=(_PUBLISH,), told=(422,)),
    Route("GET", "/v2/events", Permission.EVENTS_READ, told=(200,)),
    Route("GET", "/v2/events/{event_id}", Permission.EVENTS_READ, _EVENT),
    Route("GET", "/v2/events/{event_id}/deliveries", Permission.DELIVERIES_READ, _EVENT),
    Route("POST", "/v2/events/{event_id}/replay", Permission.DELIVERIES_REDRIVE, _EVENT),
    Route("GET", "/v2/event-types", Permission.EVENTS_READ, told=(200,)),
    Route("POST", "/v2/event-types", Permission.EVENTS_PUBLISH, told=(422,)),
    Route("GET", f"{_I}/logs", Permission.DELIVERIES_READ, told=(200,)),
    Route("GET", f"{_ONE}/logs", Permission.DELIVERIES_READ, _INTEGRATION),
    Route("GET", f"{_ONE}/jobs", Permission.DELIVERIES_READ, _INTEGRATION),
    Route(
        "GET", f"{_ONE}/jobs/{{job_id:uuid}}/logs", Permission.DELIVERIES_READ, {**_INTEGRATION, "job_id": "delivery"}
    ),
    Route("GET", _I, Permission.INTEGRATIONS_READ, told=(200,)),
    Route("POST", _I, Permission.INTEGRATIONS_WRITE, bodies=(_CREATE,), told=(422,)),
    Route("POST", f"{_I}/preview", Permission.INTEGRATIONS_WRITE, bodies=({"configuration": {}},), told=(422,)),
    Route("GET", _ONE, Permission.INTEGRATIONS_READ, _INTEGRATION),
    Route("PUT", _ONE, Permission.INTEGRATIONS_WRITE, _INTEGRATION, bodies=(_CHANGE,)),
    Route("DELETE", _ONE, Permission.INTEGRATIONS_WRITE, _INTEGRATION),
    Route("POST", f"{_ONE}/enable", Permission.INTEGRATIONS_WRITE, _INTEGRATION),
    Route("POST", f"{_ONE}/disable", Permission.INTEGRATIONS_WRITE, _INTEGRATION),
    Route("POST", f"{_ONE}/rotate-secret", Permission.INTEGRATIONS_WRITE, _INTEGRATION),
    Route("POST", f"{_ONE}/test", Permission.INTEGRATIONS_WRITE, _INTEGRATION),
    Route("GET", "/v2/deliveries", Permission.DELIVERIES_READ, queries=_WHERE, told=(200,)),
    Route("GET", "/v2/deliveries/{delivery_id}", Permission.DELIVERIES_READ, _DELIVERY),
    Route(
        "POST",
        "/v2/deliveries/{delivery_id}/redrive",
        Permission.DELIVERIES_REDRIVE,
        _DELIVERY,
        bodies=({"force": True},),
    ),
    Route("POST", "/v2/deliveries/{delivery_id}/cancel", Permission.DELIVERIES_REDRIVE, _DELIVERY),
    Route("POST", "/v2/deliveries/{delivery_id}/discard", Permission.DELIVERIES_REDRIVE, _DELIVERY),
    Route("POST", "/v2/deliveries/{delivery_id}/undo-discard", Permission.DELIVERIES_REDRIVE, _DELIVERY),
    Route(
        "POST",
        "/v2/deliveries/{delivery_id}/resend",
        Permission.DELIVERIES_REDRIVE,
        _DELIVERY,
        bodies=({"payload": 1, "discard_original": True},),
    ),
    Route("GET", "/v2/dead-letters", Permission.DELIVERIES_READ, queries=_WHERE, told=(200,)),
    Route("POST", "/v2/dead-letters/redrive", Permission.DELIVERIES_REDRIVE, bodies=_FILTERS, told=(202,)),
    Route("POST", "/v2/dead-letters/discard", Permission.DELIVERIES_REDRIVE, bodies=_FILTERS, told=(202,)),
    Route("GET", "/v2/jobs", Permission.DELIVERIES_READ, told=(200,)),
    Route("GET", "/v2/jobs/{job_id}", Permission.DELIVERIES_READ, _JOB),
    Route("POST", "/v2/jobs/{job_id}/pause", Permission.DELIVERIES_REDRIVE, _JOB),
    Route("POST", "/v2/jobs/{job_id}/resume", Permission.DELIVERIES_REDRIVE, _JOB),
    Route("POST", "/v2/jobs/{job_id}/cancel", Permission.DELIVERIES_REDRIVE, _JOB),
    Route("POST", "/v2/jobs/{job_id}/undo", Permission.DELIVERIES_REDRIVE, _JOB),
    Route("GET", "/v2/tenants", Permission.TENANTS_MANAGE, told=(403,)),
    Route("POST", "/v2/tenants", Permission.TENANTS_MANAGE, bodies=({"name": "stolen"},), told=(403,)),
    Route("GET", "/v2/api-keys", Permission.INTEGRATIONS_WRITE, told=(200,)),
    Route("POST", "/v2/api-keys", Permission.INTEGRATIONS_WRITE, bodies=(_KEY,), told=(403,)),
    Route("DELETE", "/v2/api-keys/{key_id}", Permission.INTEGRATIONS_WRITE, {"key_id": "api_key"}),
    Route("GET", "/v2/audit-log", Permission.INTEGRATIONS_WRITE, queries=_OBJECTS, told=(200,)),
    Route("POST", "/oauth/access_token", None),
    Route("GET", "/", None),
    Route("GET", "/healthz", None),
    Route("GET", "/readyz", None),
    Route("GET", "/metrics", None),
)

IN_MIXED_COMPANY = (
    # What a request names beside what its path does, answered otherwise than the path alone.
    Route(
        "POST",
        "/v2/events/{event_id}/replay",
        Permission.DELIVERIES_REDRIVE,
        _EVENT,
        bodies=({"integration_id": "{integration}"},),
        told=(404, 422),
    ),
    Route("GET", "/v2/audit-log", Permission.INTEGRATIONS_WRITE, queries=_AUDIT, bodies=(), told=(403,)),
)
