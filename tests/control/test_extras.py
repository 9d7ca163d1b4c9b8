"""What other systems' APIs say of an integration is kept beside what ours says, and ends with it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from integration_data import ABSENT, wanted

from postrider.control import integrations, keys
from postrider.control.integrations import Beside
from postrider.domain.errors import Conflict, InvalidInput, NotAuthenticated
from postrider.domain.integration import Integration
from postrider.services import Change, Services
from postrider.store import audit_log
from postrider.store import integrations as stored

TOKEN = "0123456789abcdef0123456789abcdef"


def test_extras_are_kept_by_system(services: Services, tenant: UUID) -> None:
    """What one system says replaces what it said, and leaves the other's alone."""
    made = integrations.create(
        services, tenant, wanted(), beside=Beside({"hood": {"is_default": True}}, {"era": {"token": TOKEN}})
    )

    beside = Beside({"era": {"code": "ABC"}}, {"hood": {"key": "other"}})
    integrations.update(services, tenant, made.id, {}, beside=beside)

    now = integrations.get(services, tenant, made.id)
    assert now.extras == {"hood": {"is_default": True}, "era": {"code": "ABC"}}
    assert now.extra_secrets == {"era": {"token": TOKEN}, "hood": {"key": "other"}}
    assert (made.version, now.version) == (1, 2)


def test_secret_extras_are_in_no_record_and_no_repr(services: Services, tenant: UUID) -> None:
    """The audit log names the system whose part changed, and no value."""
    made = integrations.create(services, tenant, wanted(), beside=Beside({}, {"era": {"token": TOKEN}}))
    integrations.update(services, tenant, made.id, {}, beside=Beside({}, {"era": {"token": TOKEN[::-1]}}))

    with services.database.read() as tx:
        entries = audit_log.page(tx, tenant, audit_log.AuditFilter(), own_actors=False, before=None, limit=10)
    told = [change.field for entry in entries for change in entry.changes]
    assert [field for field in told if field.startswith("extras")] == ["extras.era", "extras.era"]
    assert TOKEN not in repr((entries, made))


@pytest.mark.parametrize("observes", [[], ABSENT])
def test_without_extras_an_integration_observes_something(services: Services, tenant: UUID, observes: object) -> None:
    """Elastic Path's API refuses an integration that observes nothing; others may begin with one."""
    with pytest.raises(InvalidInput) as refused:
        integrations.create(services, tenant, wanted(observes=observes))
    assert refused.value.pointer == "data.observes"

    made = integrations.create(services, tenant, wanted(observes=observes), beside=Beside())
    assert made.observes == ()


def test_what_observes_nothing_can_be_sent_back_and_not_be_emptied(services: Services, tenant: UUID) -> None:
    """An empty list is no change where it is empty already, and is refused where something was observed."""
    made = integrations.create(services, tenant, wanted(observes=[]), beside=Beside())

    assert integrations.update(services, tenant, made.id, wanted(name="New", observes=[])).name == "New"
    integrations.update(services, tenant, made.id, {"observes": ["order.paid"]})
    with pytest.raises(InvalidInput):
        integrations.update(services, tenant, made.id, {"observes": []})


def test_a_chosen_id_is_taken_once(services: Services, tenant: UUID) -> None:
    """Who chooses an id that is taken, by a deleted integration too, hears of it."""
    chosen = uuid4()
    assert integrations.create(services, tenant, wanted(), beside=Beside(integration_id=chosen)).id == chosen

    integrations.delete(services, tenant, chosen)

    with pytest.raises(Conflict):
        integrations.create(services, tenant, wanted(), beside=Beside(integration_id=chosen))


def test_an_integration_is_found_by_the_beginning_of_its_id(services: Services, tenant: UUID) -> None:
    """Of its own tenant alone, and not when it is gone."""
    made = integrations.create(services, tenant, wanted())

    def found(of: UUID, digits: str) -> UUID | None:
        with services.database.read() as tx:
            return stored.by_beginning(tx, of, digits)

    assert found(tenant, made.id.hex[:24]) == made.id
    assert found(tenant, "f" * 24) is None
    assert found(uuid4(), made.id.hex[:24]) is None
    integrations.delete(services, tenant, made.id)
    assert found(tenant, made.id.hex[:24]) is None


def test_a_key_of_an_integration_ends_with_it(services: Services, tenant: UUID) -> None:
    """It publishes as the integration until that is deleted; nobody else can take its text meanwhile."""

    def give_key(change: Change, integration: Integration) -> None:
        keys.add_key_of_integration(
            services, change, integration, name="channel", secret=TOKEN, by=integrations.POSTRIDER
        )

    made = integrations.create(services, tenant, wanted(), beside=Beside(also=give_key))
    assert keys.find_key(services, TOKEN).integration_id == made.id
    assert keys.integration_of(services, TOKEN) == made.id
    with pytest.raises(Conflict):
        integrations.create(services, tenant, wanted(), beside=Beside(also=give_key))
    assert integrations.page(services, tenant, offset=0, limit=10).total == 1

    integrations.delete(services, tenant, made.id)

    assert keys.integration_of(services, TOKEN) is None
    with pytest.raises(NotAuthenticated):
        keys.find_key(services, TOKEN)
