"""The pages of dead letters and of the jobs that move many of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from api import Api
from servers.receiver import Receiver
from web.dashboard.visitor import Page, Visitor

from postrider.control import integrations as integration_control
from postrider.control.tenants import create_tenant
from postrider.domain.access import Permission
from postrider.domain.delivery import Delivery, DeliveryStatus
from postrider.pipeline.redrive import step_jobs

LIST = "/dashboard/dead-letters"
GROUP = f"{LIST}/group"
NOTHING = "00000000-0000-7000-8000-000000000000"
VERBS = ("pause", "resume", "cancel", "undo")
Visit = Callable[[str | None], Visitor]


def dead(api: Api, receiver: Receiver, count: int, *, status: int = 500, name: str = "ERP") -> list[Delivery]:
    """Make dead letters of a new integration, by as many events."""
    receiver.answer(status=status, path=f"/{name}")
    integration = api.house.integrate(receiver.url_of(f"/{name}"), name=name, delivery={"retry_waits": []})
    api.house.publish(*["order.paid"] * count)
    api.house.run_until_idle()
    integration_control.update(
        api.house.services, api.house.tenant.id, integration.id, {"type": "integration", "observes": ["cart.updated"]}
    )
    return api.house.deliveries(integration_id=integration.id)


def statuses(api: Api) -> list[str]:
    return [one.status.value for one in api.house.deliveries()]


def row(page: Page, text: str) -> str:
    return next(part for part in page.html.split("<tr>") if text in part)


def test_letters_are_grouped_by_integration_and_error(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """With how many there are and what the error means; a group leads to its letters."""
    dead(api, receiver, 3)
    letters = dead(api, receiver, 1, status=404, name="Shop")

    page = pages.get(LIST)
    group = pages.get(page.links["HTTP 404"])

    assert ">3<" in row(page, "HTTP 500")
    assert "The receiver failed inside" in row(page, "HTTP 500")
    assert "ERP" in row(page, "HTTP 500")
    assert group.links["order.paid"] == f"/dashboard/deliveries/{letters[0].id}"
    assert "HTTP 404 at Shop" in group.text
    assert group.html.count('name="id"') == 1


def test_letters_without_an_error_are_a_group_too(api: Api, pages: Visitor) -> None:
    """Their link leads to them alone."""
    delivery = api.deliver_to_nobody(DeliveryStatus.DEAD)
    pages.submit(pages.get(f"/dashboard/deliveries/{delivery.id}"), "/discard")
    pages.submit(pages.get(f"/dashboard/deliveries/{delivery.id}"), "/undo-discard")

    group = pages.get(pages.get(LIST).links["No error"])

    assert group.status == 200
    assert group.links["order.paid"] == f"/dashboard/deliveries/{delivery.id}"
    assert pages.submit(group, "/redrive", which="all").path.startswith("/dashboard/jobs/")


def test_groups_of_one_integration(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """The list can be narrowed, and says when that leaves nothing."""
    letters = dead(api, receiver, 1)
    other = api.house.integrate(receiver.url, name="Fine")

    assert "HTTP 500" in pages.get(f"{LIST}?integration_id={letters[0].integration_id}").links
    assert "This integration has no dead letter." in pages.get(f"{LIST}?integration_id={other.id}").text


def test_nothing_dead_is_said(pages: Visitor) -> None:
    """In words, with what would come here."""
    assert "There is no dead letter." in pages.get(LIST).text
    assert "There is no dead letter." in pages.get(GROUP).text
    assert "No job was started yet." in pages.get("/dashboard/jobs").text


def test_chosen_letters_are_redriven(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Those that are checked and no others, by a job whose page follows."""
    letters = dead(api, receiver, 3)

    job = pages.submit(
        pages.get(f"{GROUP}?integration_id={letters[0].integration_id}&error=http_500"),
        "/redrive",
        id=[letters[0].id, letters[2].id],
    )
    step_jobs(api.house.services)
    after = pages.get(job.path)

    assert job.path.startswith("/dashboard/jobs/")
    assert "2 chosen dead letters to ERP with HTTP 500" in job.text
    assert "0 of 2 deliveries" in job.text
    assert statuses(api) == ["pending", "dead", "pending"]
    assert "2 of 2 deliveries" in after.text
    assert '<progress value="1"' in after.html


def test_all_of_a_group_are_redriven_at_a_rate(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Those of other integrations and errors stay, and the job says how fast it goes and when it ends."""
    letters = dead(api, receiver, 9)
    dead(api, receiver, 1, name="Shop")
    group = pages.get(f"{GROUP}?integration_id={letters[0].integration_id}&error=http_500")

    job = pages.submit(group, "/redrive", which="all", rate="2")
    step_jobs(api.house.services)
    running = pages.get(job.path)

    assert "All dead letters to ERP with HTTP 500" in job.text
    assert "2 a second" in running.text
    assert "about <time" in running.html
    assert statuses(api).count("pending") == 6
    assert all(
        one.integration_id == letters[0].integration_id
        for one in api.house.deliveries(statuses=(DeliveryStatus.PENDING,))
    )


def test_letters_are_discarded_and_that_is_undone(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """With the reason given; the job that has done it can be taken back, and a letter names it."""
    letters = dead(api, receiver, 2)
    group = pages.get(GROUP)
    fields = [(name, value) for name, value in group.form("/redrive").fields if name not in {"which", "reason"}]

    job = pages.post(f"{LIST}/discard", [*fields, ("which", "all"), ("reason", "test orders")])
    step_jobs(api.house.services)
    letter = pages.get(f"/dashboard/deliveries/{letters[0].id}")
    undo = pages.submit(pages.get(job.path), "/undo")
    step_jobs(api.house.services)

    assert "test orders" in letter.text
    assert "the API key “test”" in letter.text
    assert letter.links["with others, by a job"] == job.path
    assert "Undo of a discard" in undo.text
    assert statuses(api) == ["dead", "dead"]


def test_a_job_is_paused_resumed_and_cancelled(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Each step leads back to its page, which offers the next ones."""
    dead(api, receiver, 2)
    job = pages.submit(pages.get(GROUP), "/redrive", which="all", rate="0.1")

    paused = pages.submit(job, "/pause")
    resumed = pages.submit(paused, "/resume")
    cancelled = pages.submit(resumed, "/cancel")
    listed = pages.get("/dashboard/jobs")

    assert not paused.has_form("/pause")
    assert "It goes on." in resumed.text
    assert [cancelled.has_form(f"/{verb}") for verb in VERBS] == [False] * 4
    assert listed.links["Redrive"] == job.path
    assert pages.submit(job, "/pause").status == 409


@pytest.mark.parametrize(
    ("typed", "field", "complaint"),
    [
        ({"which": "selected"}, "rate", "Choose at least one of the dead letters"),
        ({"which": "selected", "id": "x"}, "rate", "Choose at least one of the dead letters"),
        ({"which": "all", "rate": "fast"}, "rate", "Give a number from 0.01 to 10,000, or nothing."),
        ({"which": "all", "rate": "0"}, "rate", "Give a number from 0.01 to 10,000, or nothing."),
        ({"which": "all", "rate": "nan"}, "rate", "Give a number from 0.01 to 10,000, or nothing."),
        ({"which": "all", "reason": "x" * 1001}, "reason", "reason: must have at most 1000 characters"),
    ],
)
def test_a_wrong_form_is_told_at_its_field(
    api: Api, receiver: Receiver, pages: Visitor, typed: dict[str, str], field: str, complaint: str
) -> None:
    """What was typed is still there, and nothing is done."""
    dead(api, receiver, 1)

    again = pages.submit(pages.get(GROUP), "/redrive", **typed)

    assert again.status == 422
    assert f'<strong class="complaint">{complaint}' in again.html
    fields = dict(again.form("/redrive").fields)
    assert (fields["which"], fields[field]) == (typed["which"], typed.get(field, ""))
    assert api.data("/v2/jobs") == []


def test_a_wrong_form_leads_back_to_its_own_page_of_the_list(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """What was checked on it is checked still."""
    older, newer = dead(api, receiver, 2)
    page = pages.get(f"{GROUP}?before={newer.id}")

    again = pages.submit(page, "/redrive", id=older.id, rate="fast")

    assert again.status == 422
    assert ("id", str(older.id)) in again.form("/redrive").fields
    assert f'value="{newer.id}" aria-label' not in again.html


def test_a_form_that_names_nonsense_moves_nothing(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """A filter that cannot be read is not taken for none."""
    dead(api, receiver, 1)

    again = pages.submit(pages.get(GROUP), "/redrive", which="all", integration_id="x")

    assert again.status == 422
    assert api.data("/v2/jobs") == []


def test_who_may_only_read_moves_nothing(api: Api, receiver: Receiver, pages: Visitor, reader: Visitor) -> None:
    """There is no button, and the addresses refuse."""
    dead(api, receiver, 1)
    job = pages.submit(pages.get(GROUP), "/redrive", which="all")
    token = [("form_token", reader.token())]

    for path in (LIST, GROUP, job.path):
        assert [form.method for form in reader.get(path).forms if form.action.startswith(path)] in ([], ["get"])
    for path in (f"{LIST}/redrive", f"{LIST}/discard", *(f"{job.path}/{verb}" for verb in VERBS)):
        assert reader.post(path, [*token, ("which", "all")]).status == 403
    assert len(api.data("/v2/jobs")) == 1


def test_forms_from_elsewhere_move_nothing(api: Api, receiver: Receiver, pages: Visitor) -> None:
    """Without the proof that the form is ours."""
    dead(api, receiver, 1)
    job = pages.submit(pages.get(GROUP), "/redrive", which="all")

    for path in (f"{LIST}/redrive", f"{LIST}/discard", *(f"{job.path}/{verb}" for verb in VERBS)):
        assert pages.post(path, [("which", "all")]).status == 403
    assert len(api.data("/v2/jobs")) == 1


def test_another_tenants_letters_and_jobs_are_not_there(
    api: Api, receiver: Receiver, pages: Visitor, visit: Visit
) -> None:
    """Nothing of them is shown, and a redrive of all takes none of them."""
    letters = dead(api, receiver, 1)
    job = pages.submit(pages.get(GROUP), "/redrive", id=letters[0].id)
    stranger = visit(api.new_key(*Permission, tenant=create_tenant(api.house.services, name="other")))
    token = [("form_token", stranger.token())]

    assert "There is no dead letter." in stranger.get(LIST).text
    assert "order.paid" not in stranger.get(f"{GROUP}?integration_id={letters[0].integration_id}").links
    assert "No job was started yet." in stranger.get("/dashboard/jobs").text
    assert stranger.get(job.path).status == 404
    for verb in VERBS:
        assert stranger.post(f"{job.path}/{verb}", token).status == 404
    its = stranger.post(f"{LIST}/discard", [*token, ("id", str(letters[0].id))])
    assert "0 of 0 deliveries" in its.text
    step_jobs(api.house.services)
    assert api.data(f"/v2/deliveries/{letters[0].id}")["status"] == "pending"
    assert pages.get(f"/dashboard/jobs/{NOTHING}").status == 404
