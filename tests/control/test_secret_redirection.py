"""A hidden secret is kept by its mask only for the place that it was given for."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest
from integration_data import SECRET_KEY, SQS, STOMP, URL, wanted

from postrider.control import integrations
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import Integration
from postrider.services import Services
from postrider.transports.configuration import Secret, TransportConfiguration, revised

ELSEWHERE = {
    "stomp+ssl://mq-1.example.com:61614/other",
    "stomp://mq-1.example.com:61614",
    "stomp+ssl://mq-1.example.com:61615",
    "stomp+ssl://mq.example.org:61614",
}


def stored(services: Services, tenant: UUID, kind: str, configuration: dict[str, Any]) -> tuple[Integration, Any]:
    """Make an integration, and give it with its configuration as a writer sees it."""
    made = integrations.create(services, tenant, wanted(integration_type=kind, configuration=configuration))
    return made, integrations.document(services, made, for_writer=True)["configuration"]


@pytest.mark.parametrize("address", sorted(ELSEWHERE))
@pytest.mark.parametrize("beside", [[], STOMP["addresses"]])
def test_a_hidden_password_was_sent_to_a_broker_of_the_callers_own(
    services: Services, tenant: UUID, address: str, beside: list[str]
) -> None:
    """The mask of a stored password beside other addresses is refused by the password's name, and nothing changes."""
    made, shown = stored(services, tenant, "stomp", STOMP)
    change = {"configuration": {**shown, "addresses": [*beside, address]}}

    with pytest.raises(InvalidInput, match="password: send it anew for the new addresses") as refused:
        integrations.update(services, tenant, made.id, change)

    assert refused.value.pointer == "data.configuration.password"
    assert integrations.get(services, tenant, made.id) == made


@pytest.mark.parametrize(
    "elsewhere", [{"url": "https://sqs.eu-west-1.amazonaws.com/210987654321/orders"}, {"region": "us-east-1"}]
)
def test_credentials_that_never_travel_may_sign_for_another_queue(
    services: Services, tenant: UUID, elsewhere: dict[str, str]
) -> None:
    """AWS is shown signatures only: the masks of its credentials keep them for another queue or region."""
    made, shown = stored(services, tenant, "aws_sqs", SQS)

    changed = integrations.update(services, tenant, made.id, {"configuration": {**shown, **elsewhere}})

    assert changed.configuration == {**SQS, **elsewhere}


def test_who_sends_the_secret_anew_may_send_it_elsewhere(services: Services, tenant: UUID) -> None:
    """A new destination is taken with a secret of the caller's own, or with none."""
    made, shown = stored(services, tenant, "stomp", STOMP)
    moved = {**shown, "addresses": ["stomp+ssl://mq.example.org"]}

    with_own = integrations.update(services, tenant, made.id, {"configuration": {**moved, "password": "mine"}})
    without = {name: value for name, value in moved.items() if name != "password"}
    with_none = integrations.update(services, tenant, made.id, {"configuration": without})

    assert with_own.configuration["password"] == "mine"
    assert "password" not in with_none.configuration


def test_a_mask_is_kept_beside_what_says_not_where(services: Services, tenant: UUID) -> None:
    """Another queue of the same broker needs no new password."""
    made, shown = stored(services, tenant, "stomp", STOMP)

    changed = integrations.update(
        services, tenant, made.id, {"configuration": {**shown, "destination": "/queue/others"}}
    )

    assert changed.configuration == {**STOMP, "destination": "/queue/others"}


def test_a_secret_that_writers_see_may_be_moved(services: Services, tenant: UUID) -> None:
    """A webhook's secret key, which the caller may read anyhow, comes along to another address."""
    configuration = {"url": URL, "secret_key": SECRET_KEY}
    made, _ = stored(services, tenant, "webhook", configuration)
    mask = integrations.document(services, made, for_writer=False)["configuration"]["secret_key"]

    changed = integrations.update(
        services, tenant, made.id, {"configuration": {"url": "https://example.org/", "secret_key": mask}}
    )

    assert changed.configuration == {"url": "https://example.org/", "secret_key": SECRET_KEY}


class Undeclared(TransportConfiguration):
    """As a plug-in may have it that does not say where its secret is sent."""

    host: str = "pager.example.com"
    note: str = ""
    token: Annotated[str, Secret()]


@pytest.mark.parametrize("change", [{"host": "example.org"}, {"note": "new"}])
def test_an_undeclared_secret_stays_with_all_that_is_beside_it(change: dict[str, str]) -> None:
    """Who does not say where a secret is sent is on the safe side."""
    kept = Undeclared(token="canary-token").stored()

    with pytest.raises(InvalidInput, match="token: send it anew"):
        revised(Undeclared, {"token": "********oken", **change}, kept)

    assert revised(Undeclared, {"token": "********oken"}, kept) == kept


def test_a_secret_is_not_sent_to_what_is_no_field() -> None:
    """A wrong name among the destinations of a secret would guard nothing: such a model cannot be made."""
    with pytest.raises(TypeError, match="token is sent to hots"):

        class Mistyped(TransportConfiguration):
            host: str
            token: Annotated[str, Secret(sent_to=("hots",))]
