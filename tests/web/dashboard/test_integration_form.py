"""The form of an integration: made of what its type declares, and its secrets written only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from api import Api
from integration_data import SQS, STOMP
from sqlalchemy import update
from web.dashboard.visitor import FORM_TOKEN, Page, Visitor

from postrider.control import event_types
from postrider.control import integrations as control
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.store import integrations as stored
from postrider.store import tables

LIST = "/dashboard/integrations"
URL = "http://127.0.0.1:9/orders"
KEY = "squirrel-1234"
Visit = Callable[[str | None], Visitor]


def at(integration: Integration, end: str = "/edit") -> str:
    return f"{LIST}/{integration.id}{end}"


def fill(pages: Visitor, type_name: str, **given: Any) -> Page:
    """Fill in the form for a new one, with a name and an event type if nothing else is said."""
    fields = {"name": "new", "observes": "order.paid", **given}
    return pages.submit(pages.get(f"{LIST}/new/{type_name}"), f"/new/{type_name}", **fields)


def webhook(pages: Visitor, **given: Any) -> Page:
    return fill(pages, "webhook", **{"configuration.url": URL, **given})


def edit(pages: Visitor, integration: Integration, **given: Any) -> Page:
    return pages.submit(pages.get(at(integration)), "/edit", **given)


def all_of(api: Api) -> list[Integration]:
    with api.house.services.database.read() as tx:
        return stored.page(tx, api.house.services.box, api.house.tenant.id, offset=0, limit=100)


def only(api: Api) -> Integration:
    (integration,) = all_of(api)
    return integration


def get(api: Api, integration: Integration) -> Integration:
    return control.get(api.house.services, api.house.tenant.id, integration.id)


def shown(page: Page) -> dict[str, str]:
    """Give what stands in the form."""
    return dict(page.form(page.path).fields)


def test_the_type_is_chosen_first(pages: Visitor) -> None:
    """Every installed type leads to its own form; one that is not installed has none."""
    page = pages.get(f"{LIST}/new")

    assert page.links["Webhook"] == f"{LIST}/new/webhook"
    assert page.links["Amazon SQS"] == f"{LIST}/new/aws_sqs"
    assert page.links["STOMP broker"] == f"{LIST}/new/stomp"
    assert pages.get(f"{LIST}/new/pager").status == 404


@pytest.mark.parametrize(
    ("type_name", "configuration"),
    [("webhook", {"url": URL, "secret_key": KEY}), ("aws_sqs", SQS), ("stomp", STOMP)],
)
def test_one_of_each_type_is_made_by_its_form(
    api: Api, pages: Visitor, type_name: str, configuration: dict[str, Any]
) -> None:
    """What is filled in arrives; what is left alone is as it is by default; it is enabled."""
    given = {
        f"configuration.{name}": "\n".join(value) if isinstance(value, list) else value
        for name, value in configuration.items()
    }

    done = fill(pages, type_name, description="Two\r\nlines", patterns="cart.*\n\n order.* ", **given)

    made = only(api)
    assert done.status == 200
    assert (made.integration_type, made.configuration) == (type_name, configuration)
    assert (made.name, made.description, made.enabled) == ("new", "Two\nlines", True)
    assert made.observes == ("order.paid", "cart.*", "order.*")
    assert made.policy == DeliveryPolicy()


def test_the_signing_secret_is_shown_once(api: Api, pages: Visitor) -> None:
    """The page that answers has it, nobody keeps that page, and no other has it."""
    done = webhook(pages, **{"configuration.secret_key": KEY})

    made = only(api)
    assert made.signing_secret in done.text
    assert KEY not in done.html
    assert done.headers["cache-control"] == "no-store"
    assert done.links["To the integration new"] == at(made, "")
    assert made.signing_secret not in pages.get(at(made, "")).html


def test_the_policy_is_written_as_people_say_it(api: Api, pages: Visitor) -> None:
    """Waits with their units, statuses as ranges; an empty rate is none, and no waits mean no retry."""
    webhook(
        pages,
        **{
            "delivery.timeout_seconds": "2.5",
            "delivery.retry_waits": "1.5s, 90, 5m,2 h ,1D",
            "delivery.success_statuses": "200-204, 302",
            "delivery.max_in_flight": "",
            "delivery.rate_limit": "0.5",
        },
    )
    made = only(api)
    texts = shown(pages.get(at(made)))
    edit(pages, made, **{"delivery.retry_waits": "", "delivery.rate_limit": " "})

    policy = made.policy
    assert [wait.total_seconds() for wait in policy.retry_waits] == [1.5, 90, 300, 7_200, 86_400]
    assert (policy.timeout.total_seconds(), policy.success_statuses) == (2.5, ((200, 204), (302, 302)))
    assert (policy.max_in_flight, policy.rate_limit) == (DeliveryPolicy().max_in_flight, 0.5)
    assert texts["delivery.retry_waits"] == "1.5s, 90s, 5m, 2h, 1d"
    assert (texts["delivery.success_statuses"], texts["delivery.rate_limit"]) == ("200-204, 302", "0.5")
    assert (only(api).policy.retry_waits, only(api).policy.rate_limit) == ((), None)


WRONG = [
    ("name", {"name": " "}, "Must be text of 1 to 255 characters"),
    ("description", {"description": "x" * 2_001}, "Must be text of up to 2,000 characters"),
    ("observes", {"observes": None}, "Must be a list of event types"),
    ("observes", {"observes": None, "patterns": "order.payed"}, "did you mean order.paid?"),
    ("configuration.url", {"configuration.url": ""}, "Is required"),
    ("configuration.url", {"configuration.url": "ftp://example.com"}, "Must"),
    ("configuration.secret_key", {"configuration.secret_key": "sécret"}, "Is sent in an HTTP header"),
    ("configuration.secret_key", {"configuration.secret_key": "*****1234"}, "Looks like a masked value"),
    ("delivery.timeout_seconds", {"delivery.timeout_seconds": "61"}, "Must be a number above 0, up to 60"),
    ("delivery.timeout_seconds", {"delivery.timeout_seconds": "soon"}, "Must be a number above 0, up to 60"),
    ("delivery.retry_waits", {"delivery.retry_waits": "5s, later"}, "&#34;later&#34; is no wait"),
    ("delivery.retry_waits", {"delivery.retry_waits": "5s, 8d"}, "Entry 2 must be a number from 1 to 604,800"),
    ("delivery.success_statuses", {"delivery.success_statuses": "200, 404"}, "Entry 2 must be a status"),
    ("delivery.max_in_flight", {"delivery.max_in_flight": "1.5"}, "Must be a whole number from 1 to 1,000"),
    ("delivery.rate_limit", {"delivery.rate_limit": "nan"}, "Must be a number of attempts a second"),
]


def complaint_at(page: Page, key: str) -> str:
    """Give what is complained of beside a field."""
    _, found, rest = page.html.partition(f'id="h-{key}"><strong class="complaint">')
    return rest.partition("</strong>")[0] if found else ""


@pytest.mark.parametrize(("key", "given", "words"), WRONG)
def test_what_is_wrong_is_told_at_its_field(
    api: Api, pages: Visitor, key: str, given: dict[str, Any], words: str
) -> None:
    """Nothing is made; the form comes back with what was typed, but no secret."""
    typed = {"name": "kept", "configuration.secret_key": "kept-secret", "delivery.max_in_flight": "7", **given}

    page = webhook(pages, **typed)

    assert page.status == 422
    assert words in complaint_at(page, key)
    assert all_of(api) == []
    again = shown(page)
    assert again["configuration.secret_key"] == ""
    assert str(typed["configuration.secret_key"]) not in page.html.replace(complaint_at(page, key), "")
    for name in ("name", "delivery.max_in_flight"):
        assert again[name].strip() == str(typed[name]).strip()


def test_a_wrong_line_of_a_list_is_numbered(pages: Visitor) -> None:
    """Of several addresses the wrong one is named by its place, at their field."""
    page = fill(
        pages, "stomp", **{"configuration.addresses": "stomp://mq:61613\nhttp://mq", "configuration.destination": "/q"}
    )

    assert page.status == 422
    assert complaint_at(page, "configuration.addresses").startswith("Entry 2 must be written stomp://host:port")
    assert shown(page)["configuration.addresses"] == "stomp://mq:61613\nhttp://mq"


def test_saved_as_it_is_nothing_changes(api: Api, pages: Visitor) -> None:
    """The form holds all there is, so that to save it untouched makes no new version."""
    api.house.integrate(
        URL,
        "*",
        "order.paid",
        "cart.*",
        enabled=False,
        description="What\nfor",
        delivery={"timeout_seconds": 1.5, "retry_waits": [1, 2.5, 604_800], "rate_limit": 1000},
    )
    api.house.integrate("", integration_type="stomp", configuration=STOMP)
    api.house.integrate("", integration_type="aws_sqs", configuration=SQS)
    before = all_of(api)

    for integration in before:
        assert edit(pages, integration).path == at(integration, "")

    assert all_of(api) == before


def test_a_secret_is_kept_replaced_or_taken_away(api: Api, pages: Visitor) -> None:
    """Left empty it stays, written it is another, and a box takes an optional one away."""
    integration = api.house.integrate(URL, configuration={"url": URL, "secret_key": KEY})

    form = pages.get(at(integration))
    edit(pages, integration, **{"configuration.url": f"{URL}/new"})
    kept = get(api, integration).configuration
    edit(pages, integration, **{"configuration.secret_key": "another-5678"})
    replaced = get(api, integration).configuration
    edit(pages, integration, **{"clear.secret_key": "yes"})

    assert KEY not in form.html
    assert "kept as it is" in form.html
    assert kept == {"url": f"{URL}/new", "secret_key": KEY}
    assert replaced == {"url": f"{URL}/new", "secret_key": "another-5678"}
    assert get(api, integration).configuration == {"url": f"{URL}/new"}


def test_a_hidden_secret_does_not_go_elsewhere(api: Api, pages: Visitor) -> None:
    """Who changes where a password is sent has to know it: the form says so at its field."""
    integration = api.house.integrate("", integration_type="stomp", configuration=STOMP)

    page = edit(pages, integration, **{"configuration.addresses": "stomp://evil.example"})

    assert page.status == 422
    assert "Send it anew for the new addresses" in complaint_at(page, "configuration.password")
    assert STOMP["password"] not in page.html
    assert get(api, integration).configuration == STOMP


def test_secrets_that_cannot_be_read_are_replaced_only_when_asked(api: Api, pages: Visitor) -> None:
    """A new name alone leaves them as they lie there; with the box ticked all is new, and a new secret signs."""
    blind = api.house.integrate(URL, configuration={"url": URL, "secret_key": KEY})
    with api.house.services.database.write() as tx:
        tx.execute(update(tables.integrations).values(secrets="lost"))

    edit(pages, blind, name="renamed")
    renamed = get(api, blind)
    done = edit(pages, blind, anew="yes", **{"configuration.secret_key": "another-5678"})
    mended = get(api, blind)

    assert (renamed.name, renamed.secrets_unreadable) == ("renamed", True)
    assert (mended.secrets_unreadable, mended.configuration["secret_key"]) == (False, "another-5678")
    assert mended.signing_secret in done.text


def test_a_type_that_was_uninstalled_can_be_renamed(api: Api, pages: Visitor) -> None:
    """Its configuration is neither shown nor touched."""
    stranded = api.house.integrate("", integration_type="stomp", configuration=STOMP)
    with api.house.services.database.write() as tx:
        tx.execute(update(tables.integrations).values(integration_type="pager"))

    form = pages.get(at(stranded))
    done = edit(pages, stranded, name="renamed")

    assert STOMP["destination"] not in form.html
    assert done.path == at(stranded, "")
    assert (get(api, stranded).name, get(api, stranded).configuration) == ("renamed", STOMP)


def test_own_event_types_and_patterns_are_offered_and_kept(api: Api, pages: Visitor) -> None:
    """The tenant's own types have a box each; patterns stand in their field."""
    event_types.add(api.house.services, api.house.tenant.id, name="parcel.lost")
    integration = api.house.integrate(URL, "parcel.lost", "order.*")

    fields = pages.get(at(integration)).form("/edit").fields

    assert [value for name, value in fields if name == "observes"] == ["parcel.lost"]
    assert dict(fields)["patterns"] == "order.*"


def test_who_may_only_read_gets_no_form(api: Api, reader: Visitor) -> None:
    """Neither the form nor what it posts to is for a key that may not write."""
    assert reader.get(f"{LIST}/new").status == 403
    assert reader.get(f"{LIST}/new/webhook").status == 403
    fields = [(FORM_TOKEN, reader.token()), ("name", "n"), ("observes", "*"), ("configuration.url", URL)]

    assert reader.post(f"{LIST}/new/webhook", fields).status == 403
    assert all_of(api) == []


def test_a_form_from_elsewhere_makes_nothing(api: Api, pages: Visitor) -> None:
    """Without its proof the form is refused."""
    fields = [("name", "n"), ("observes", "*"), ("configuration.url", URL)]

    assert pages.post(f"{LIST}/new/webhook", fields).status == 403
    assert all_of(api) == []


def test_a_change_is_made_in_the_name_of_the_key(api: Api, pages: Visitor) -> None:
    """The audit log names who saved the form."""
    integration = api.house.integrate(URL)

    edit(pages, integration, name="renamed")

    (entry, *_) = api.data("/v2/audit-log?action=integration.updated")
    assert (entry["actor"]["name"], get(api, integration).name) == ("test", "renamed")


def test_a_preview_shows_the_request_and_saves_nothing(api: Api, pages: Visitor) -> None:
    """The button shows what is sent for the sample order, or for a payload that is typed in; what was typed stays."""
    typed = {
        "configuration.url": "https://api.example.com",
        "configuration.path": "/orders/{{ payload.data.id }}",
        "configuration.token": "canary-token-1",
        "preview": "yes",
    }

    sample = fill(pages, "rest", **typed)
    own = fill(pages, "rest", **typed, preview_payload='{"data":{"id":7}}')
    wrong = fill(pages, "rest", **typed, preview_payload="{}")

    assert (sample.status, own.status, wrong.status) == (200, 200, 200)
    assert "POST https://api.example.com/orders/8ba75d3f-1f4a-4a1d-9d55-3d6b1c7a9f01" in sample.text
    assert "POST https://api.example.com/orders/7" in own.text
    assert "payload.data.id is not there with this payload" in wrong.text
    assert "canary-token-1" not in sample.text + own.text + wrong.text
    assert shown(own)["configuration.path"] == typed["configuration.path"]
    assert all_of(api) == []


def test_a_preview_of_a_change_uses_the_stored_secret(api: Api, pages: Visitor) -> None:
    """A secret that is left as it is is no hindrance, and is not shown."""
    webhook(pages, **{"configuration.secret_key": KEY})

    page = edit(pages, only(api), preview="yes")

    assert f"POST {URL}" in page.text
    assert "X-MOLTIN-SECRET-KEY: ********" in page.text
    assert KEY not in page.text
    assert only(api).version == 1
