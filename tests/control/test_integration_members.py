"""What may stand in an integration's `data`, and how each mistake in it is named."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from house import RecordingRing
from integration_data import ABSENT, SQS, URL, published, wanted

from postrider.control import integrations
from postrider.domain.errors import InvalidInput
from postrider.services import Services

# -- what is refused -------------------------------------------------------------------------------------------------

WRONG_MEMBERS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "webhook"}, "data.type", 'must be "integration"'),
    ({"type": None}, "data.type", 'must be "integration"'),
    ({"name": ""}, "data.name", "1 to 255"),
    ({"name": " \t"}, "data.name", "not only spaces"),
    ({"name": "n" * 256}, "data.name", "1 to 255"),
    ({"name": 7}, "data.name", "must be text"),
    ({"name": None}, "data.name", "must be text"),
    ({"name": "a\x00b"}, "data.name", "NUL"),
    ({"name": "a\ud800b"}, "data.name", "surrogate"),
    ({"description": "d" * 2_001}, "data.description", "2,000"),
    ({"description": None}, "data.description", "must be text"),
    ({"enabled": "true"}, "data.enabled", "true or false"),
    ({"enabled": 1}, "data.enabled", "true or false"),
    ({"enabled": None}, "data.enabled", "true or false"),
    ({"observes": []}, "data.observes", "at least one"),
    ({"observes": "order.paid"}, "data.observes", "must be a list"),
    ({"observes": {"0": "order.paid"}}, "data.observes", "must be a list"),
    ({"observes": ["order.paid", "cart.updated", "order.payed"]}, "data.observes.2", "did you mean order.paid?"),
    ({"observes": ["ordr.*"]}, "data.observes.0", "did you mean order.*?"),
    ({"observes": ["order*"]}, "data.observes.0", "did you mean order.*?"),
    ({"observes": ["*.paid"]}, "data.observes.0", "'*.paid' is not a known event type, or pattern of some"),
    ({"observes": ["**"]}, "data.observes.0", "'**' is not a known event type, or pattern of some"),
    ({"observes": ["*.paid"]}, "data.observes.0", "is not a known event type"),
    ({"observes": ["order.paid", 5]}, "data.observes.1", "as text"),
    ({"observes": [["order.paid"]]}, "data.observes.0", "as text"),
    ({"observes": [""]}, "data.observes.0", "is not a known event type"),
    ({"observes": ["x" * 10_000]}, "data.observes.0", "is not a known event type"),
    ({"integration_type": "aws-sqs"}, "data.integration_type", "did you mean aws_sqs?"),
    ({"integration_type": "email"}, "data.integration_type", "the known ones are aws_sqs, "),
    ({"integration_type": None}, "data.integration_type", "must be text"),
    ({"integration_type": ["webhook"]}, "data.integration_type", "must be text"),
    ({"configuration": None}, "data.configuration", "must be an object"),
    ({"configuration": [URL]}, "data.configuration", "must be an object"),
    ({"configuration": {}}, "data.configuration.url", "is required"),
    ({"configuration": {"url": "ftp://example.com"}}, "data.configuration.url", "https://"),
    ({"configuration": {"url": 5}}, "data.configuration.url", "must be text"),
    ({"configuration": {"url": URL, "colour": "red"}}, "data.configuration.colour", "its fields are url, secret_key"),
    ({"configuration": {"url": URL, "secret_key": "********abcd"}}, "data.configuration.secret_key", "masked"),
    ({"configuration": {"url": URL, "secret_key": "a\x00b"}}, "data.configuration.secret_key", "NUL"),
    (
        {"integration_type": "aws_sqs", "configuration": {"url": SQS["url"]}},
        "data.configuration.aws_access_key_id",
        "is required",
    ),
    ({"integration_type": "stomp", "configuration": {}}, "data.configuration.addresses", "is required"),
    ({"delivery": []}, "data.delivery", "must be an object"),
    ({"delivery": None}, "data.delivery", "must be an object"),
    ({"delivery": {"rate": 5}}, "data.delivery.rate", "timeout_seconds, retry_waits, success_statuses"),
    ({"delivery": {"rate_limit": 0}}, "data.delivery.rate_limit", "from 0.001 to 10,000, or null"),
    ({"delivery": {"rate_limit": "5"}}, "data.delivery.rate_limit", "must be a number of attempts a second"),
    ({"delivery": {"rate_limit": True}}, "data.delivery.rate_limit", "must be a number of attempts a second"),
    ({"delivery": {"timeout_seconds": 0}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": 60.1}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": 1e-9}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": float("nan")}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": True}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"timeout_seconds": "10"}}, "data.delivery.timeout_seconds", "above 0, up to 60"),
    ({"delivery": {"retry_waits": 5}}, "data.delivery.retry_waits", "list"),
    ({"delivery": {"retry_waits": [1] * 31}}, "data.delivery.retry_waits", "up to 30"),
    ({"delivery": {"retry_waits": [5, 0.5]}}, "data.delivery.retry_waits.1", "from 1 to 604,800"),
    ({"delivery": {"retry_waits": [604_801]}}, "data.delivery.retry_waits.0", "from 1 to 604,800"),
    ({"delivery": {"retry_waits": [5, None]}}, "data.delivery.retry_waits.1", "from 1 to 604,800"),
    ({"delivery": {"success_statuses": []}}, "data.delivery.success_statuses", "1 to 50"),
    ({"delivery": {"success_statuses": "2xx"}}, "data.delivery.success_statuses", "1 to 50"),
    ({"delivery": {"success_statuses": [200, 404]}}, "data.delivery.success_statuses.1", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["200-500"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["299-200"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": [True]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"success_statuses": ["2xx"]}}, "data.delivery.success_statuses.0", "from 200 to 399"),
    ({"delivery": {"max_in_flight": 0}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": 1_001}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": 2.0}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"delivery": {"max_in_flight": True}}, "data.delivery.max_in_flight", "from 1 to 1,000"),
    ({"note": {"text": "a\x00b"}}, "data.note.text", "NUL"),
    ({"note": json.loads("[" * 100 + "]" * 100)}, "data.note" + ".0" * 32, "deeper than 32"),
]


@pytest.mark.parametrize(("members", "pointer", "words"), WRONG_MEMBERS)
def test_wrong_members_make_no_integration(
    services: Services, tenant: UUID, members: dict[str, Any], pointer: str, words: str
) -> None:
    """A wrong member is named with what is wrong with it, and nothing is stored or published."""
    with pytest.raises(InvalidInput) as refused:
        integrations.create(services, tenant, wanted(**members))

    assert refused.value.pointer == pointer
    assert words in refused.value.detail
    assert integrations.page(services, tenant, offset=0, limit=1).total == 0
    assert published(services, tenant) == []


@pytest.mark.parametrize(("members", "pointer", "words"), WRONG_MEMBERS)
def test_wrong_members_change_no_integration(
    services: Services, tenant: UUID, ring: RecordingRing, members: dict[str, Any], pointer: str, words: str
) -> None:
    """A wrong member beside right ones changes none of them."""
    made = integrations.create(services, tenant, wanted())

    with pytest.raises(InvalidInput) as refused:
        integrations.update(services, tenant, made.id, {"description": "New", **members})

    assert refused.value.pointer == pointer
    assert words in refused.value.detail
    assert integrations.get(services, tenant, made.id) == made
    assert len(published(services, tenant)) == ring.fan_outs == 1


@pytest.mark.parametrize("name", ["type", "name", "observes", "configuration"])
def test_missing_members_are_named(services: Services, tenant: UUID, name: str) -> None:
    """What a new integration needs and was not given is named."""
    with pytest.raises(InvalidInput, match=f"{name}: is required") as refused:
        integrations.create(services, tenant, wanted(**{name: ABSENT}))

    assert refused.value.pointer == f"data.{name}"


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_data_must_be_an_object(services: Services, tenant: UUID, data: object) -> None:
    """Anything but an object is refused, for new integrations and for changes."""
    made = integrations.create(services, tenant, wanted())

    with pytest.raises(InvalidInput, match="must be an object") as not_made:
        integrations.create(services, tenant, data)
    with pytest.raises(InvalidInput, match="must be an object") as not_changed:
        integrations.update(services, tenant, made.id, data)

    assert not_made.value.pointer == not_changed.value.pointer == "data"


def test_other_members_are_left_alone(services: Services, tenant: UUID) -> None:
    """Members that an integration has not are ignored, and so are those that only Postrider sets."""
    given = {"colour": "red", "id": str(uuid4()), "health": {"state": "parked"}, "links": None, "meta": 5}

    made = integrations.create(services, tenant, wanted(**given))

    shown = integrations.document(services, made, for_writer=True)
    assert shown.keys().isdisjoint({"colour", "health"})
    assert all(shown[name] != given[name] for name in ("id", "links", "meta"))
