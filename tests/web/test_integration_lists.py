"""Pages of integrations, of their jobs and of their logs."""

from __future__ import annotations

from uuid import uuid4

import pytest
from api import Api, only_error
from servers.receiver import Receiver
from web.integration_calls import PATH, at, create

from postrider.web.api.offset_pages import OffsetPage

# -- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "names", "links"),
    [
        ("", "01234", {}),
        ("?page[limit]=5", "01234", {}),
        ("?page[limit]=2", "01", {"last": (4, 2), "next": (2, 2)}),
        ("?page[offset]=2&page[limit]=2", "23", {"first": (0, 2), "last": (4, 2), "next": (4, 2), "prev": (0, 2)}),
        ("?page[offset]=4&page[limit]=2", "4", {"first": (0, 2), "last": (4, 2), "prev": (2, 2)}),
        ("?page[offset]=1&page[limit]=2", "12", {"first": (0, 2), "last": (4, 2), "next": (3, 2), "prev": (0, 2)}),
        (
            "?page%5Boffset%5D=3&page%5Blimit%5D=1",
            "3",
            {"first": (0, 1), "last": (4, 1), "next": (4, 1), "prev": (2, 1)},
        ),
        ("?page[offset]=10000", "", {"first": (0, 100), "prev": (9_900, 100)}),
    ],
)
def test_pages_of_integrations(api: Api, query: str, names: str, links: dict[str, tuple[int, int]]) -> None:
    """A page holds what was asked for, oldest first, with the total and the links that apply."""
    for name in "01234":
        create(api, name=name)

    page = api.get(PATH + query).json()

    assert "".join(one["name"] for one in page["data"]) == names
    assert page["results"] == {"total": 5}
    assert page["links"] == {
        name: f"{PATH}?page[offset]={offset}&page[limit]={limit}" for name, (offset, limit) in links.items()
    }


def test_links_lead_through_all_pages(api: Api) -> None:
    """Who follows `next` sees each integration once, in the order of their making."""
    made = [create(api)["id"] for _ in range(5)]
    seen, link = [], f"{PATH}?page[limit]=2"

    while link:
        page = api.get(link).json()
        seen += [one["id"] for one in page["data"]]
        link = page["links"].get("next")

    assert seen == made


@pytest.mark.parametrize("path", ["", "/logs", "/{id}/logs", "/{id}/jobs", "/{id}/jobs/{job}/logs"])
def test_bad_pages_are_refused(api: Api, path: str) -> None:
    """A page that cannot be is refused with the parameter's name, in every list."""
    made = create(api)

    for parameter, value in (
        ("page[limit]", "0"),
        ("page[limit]", "101"),
        ("page[limit]", "ten"),
        ("page[limit]", ""),
        ("page[limit]", "9" * 5_000),
        ("page[offset]", "-1"),
        ("page[offset]", "10001"),
        ("page[offset]", "1.5"),
    ):
        answer = api.get(PATH + path.format(id=made["id"], job=uuid4()), params={parameter: value})
        assert answer.status_code == 422
        assert only_error(answer)["source"] == {"parameter": parameter}
        assert parameter in only_error(answer)["detail"]


def test_attempts_are_told_as_logs(api: Api, receiver: Receiver) -> None:
    """A failed attempt and the one that succeeded after it are logs of one job, newest first."""
    made = create(api, configuration={"url": receiver.url})
    receiver.answer(404, b"Not found")
    api.publish()
    api.house.run_until_idle()
    receiver.answer(201, b"Thanks")
    api.house.clock.move(minutes=1)
    api.house.run_until_idle()

    (job,) = api.data(at(made, "/jobs"))
    logs = api.data(at(made, f"/jobs/{job['id']}/logs"))

    assert job == {"type": "integration-job", "id": str(api.house.only_delivery().id)}
    assert [log.pop("processing_time") < 30 for log in logs] == [True, True]
    assert len({log.pop("id") for log in logs}) == 2
    same = {
        "type": "integration-log",
        "relationships": {
            "integration": {"data": {"type": "integration", "id": made["id"]}},
            "job": {"data": {"type": "integration-job", "id": job["id"]}},
        },
    }
    assert logs == [
        {
            **same,
            "succeeded": True,
            "attempt": 2,
            "body": "Thanks",
            "status_code": 201,
            "error_detail": "",
            "meta": {"timestamps": {"created_at": "2026-11-22T12:01:00.000Z"}},
        },
        {
            **same,
            "succeeded": False,
            "attempt": 1,
            "body": "Not found",
            "status_code": 404,
            "error_detail": "Received a status code outside of 2xx range - treating webhook as a fail",
            "meta": {"timestamps": {"created_at": "2026-11-22T12:00:00.000Z"}},
        },
    ]


def test_no_answer_is_told_as_status_0(api: Api, receiver: Receiver) -> None:
    """A log's status is a number also where there was no answer: 0, with the reason as its detail."""
    made = create(api, configuration={"url": receiver.url})
    receiver.reset_connection()
    api.publish()
    api.house.run_until_idle()

    (log,) = api.data(at(made, "/logs"))

    assert (log["status_code"], log["succeeded"], log["body"]) == (0, False, "")
    assert log["error_detail"]


def test_each_list_holds_its_own_logs(api: Api, receiver: Receiver) -> None:
    """A store's logs are those of all its integrations, an integration's are its own, a job's are the job's."""
    first, second = (create(api, configuration={"url": receiver.url}) for _ in range(2))
    for _ in range(2):
        api.publish()
    api.house.run_until_idle()

    by_integration = {one["id"]: {log["id"] for log in api.data(at(one, "/logs"))} for one in (first, second)}
    jobs = [job["id"] for job in api.data(at(first, "/jobs"))]
    by_job = [{log["id"] for log in api.data(at(first, f"/jobs/{job}/logs"))} for job in jobs]

    assert [len(ids) for ids in by_integration.values()] == [2, 2]
    assert {log["id"] for log in api.data(f"{PATH}/logs")} == by_integration[first["id"]] | by_integration[second["id"]]
    assert [len(ids) for ids in by_job] == [1, 1]
    assert set.union(*by_job) == by_integration[first["id"]]
    assert api.get(at(second, f"/jobs/{jobs[0]}/logs")).status_code == 404


@pytest.mark.parametrize("path", ["/logs", "/{id}/logs", "/{id}/jobs"])
def test_pages_of_logs_and_jobs(api: Api, receiver: Receiver, path: str) -> None:
    """Lists of logs and jobs come in pages, newest first, with links and without totals."""
    made = create(api, configuration={"url": receiver.url})
    for _ in range(3):
        api.publish()
    api.house.run_until_idle()
    path = PATH + path.format(id=made["id"])

    everything = api.get(path).json()
    first, second = (api.get(f"{path}?page[limit]=2&page[offset]={offset}").json() for offset in (0, 2))

    assert set(everything) == {"data", "links"}
    assert everything["links"] == {}
    assert first["data"] + second["data"] == sorted(everything["data"], key=lambda one: str(one["id"]), reverse=True)
    assert first["links"] == {"next": f"{path}?page[offset]=2&page[limit]=2"}
    assert second["links"] == {
        "first": f"{path}?page[offset]=0&page[limit]=2",
        "prev": f"{path}?page[offset]=0&page[limit]=2",
    }


def test_no_links_beyond_the_highest_offset() -> None:
    """A page behind offset 10,000 is not linked to, since it would be refused."""
    links = OffsetPage(offset=10_000, limit=1).links(PATH, more=True, total=20_000)

    assert links == {
        "first": f"{PATH}?page[offset]=0&page[limit]=1",
        "prev": f"{PATH}?page[offset]=9999&page[limit]=1",
    }
