"""An integration whose transport was uninstalled can still be managed, as far as that says nothing of its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from integration_data import STOMP, wanted
from sqlalchemy import select, update

from postrider.control import integrations
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import Integration
from postrider.services import Services
from postrider.store import tables
from postrider.store.secrets import SecretBox, new_key

Change = Callable[[Services, UUID, UUID], Integration]


def set_type(services: Services, name: str) -> None:
    """Have all integrations be of a type: one that is not installed, or is again."""
    with services.database.write() as tx:
        tx.execute(update(tables.integrations).values(integration_type=name))


def lying_there(services: Services) -> str:
    """Write down the columns as they lie in the database."""
    with services.database.read() as tx:
        return str(tx.execute(select(tables.integrations)).one())


@pytest.fixture
def stranded(services: Services, tenant: UUID) -> Integration:
    made = integrations.create(services, tenant, wanted(integration_type="stomp", configuration=STOMP))
    set_type(services, "pager")
    return made


def put(data: dict[str, Any]) -> Change:
    return lambda services, tenant, one: integrations.update(services, tenant, one, data)


@pytest.mark.parametrize(
    "change",
    [
        put({"name": "Renamed"}),
        put({"enabled": False}),
        put({"delivery": {"timeout_seconds": 3}}),
        put({"integration_type": "pager", "observes": ["cart.*"]}),
        lambda services, tenant, one: integrations.set_enabled(services, tenant, one, enabled=False),
        integrations.rotate_secret,
    ],
)
def test_an_uninstalled_transports_integration_could_only_be_deleted(
    services: Services, tenant: UUID, stranded: Integration, change: Change
) -> None:
    """What touches neither type nor configuration is changed; all is as it was when the transport is back."""
    changed = change(services, tenant, stranded.id)
    lies = lying_there(services)
    set_type(services, "stomp")

    back = integrations.get(services, tenant, stranded.id)
    assert changed.version == back.version == 2
    assert back.configuration == STOMP
    assert STOMP["password"] not in lies
    assert integrations.document(services, back, for_writer=True)["configuration"]["password"].startswith("***")


def test_what_was_shown_of_it_can_be_given_back(services: Services, tenant: UUID, stranded: Integration) -> None:
    """Nothing of its configuration is shown, and sent back so it stays."""
    shown = integrations.document(services, integrations.get(services, tenant, stranded.id), for_writer=True)

    changed = integrations.update(services, tenant, stranded.id, {**shown, "name": "Renamed"})

    assert shown["configuration"] == {}
    assert (changed.name, changed.configuration) == ("Renamed", STOMP)


def test_a_change_without_its_keys_loses_nothing(services: Services, tenant: UUID, stranded: Integration) -> None:
    """With its encryption key away too, all of its configuration is there when both are back."""
    away = replace(services, box=SecretBox([new_key()]))
    for data in ({"name": "Renamed"}, {"configuration": {}, "name": "Again"}):
        integrations.update(away, tenant, stranded.id, data)
    set_type(services, "stomp")

    back = integrations.get(services, tenant, stranded.id)

    assert (back.name, back.configuration, back.signing_secret) == ("Again", STOMP, stranded.signing_secret)


@pytest.mark.parametrize("data", [{"configuration": STOMP}, {"integration_type": "pigeon", "configuration": {}}])
def test_nobody_can_check_its_configuration(
    services: Services, tenant: UUID, stranded: Integration, data: dict[str, Any]
) -> None:
    """A configuration of a type that is not installed is refused."""
    with pytest.raises(InvalidInput, match="is not known; the known ones are"):
        integrations.update(services, tenant, stranded.id, data)


def test_it_can_become_one_of_another_type(services: Services, tenant: UUID, stranded: Integration) -> None:
    """A known type with its configuration replaces what nobody can send for."""
    data = {"integration_type": "webhook", "configuration": {"url": "https://example.com/"}}

    changed = integrations.update(services, tenant, stranded.id, data)

    assert (changed.integration_type, changed.configuration) == ("webhook", {"url": "https://example.com/"})
