"""The examples of ERA's documents, each read from a file of its own, run as they are written there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api import Api
from httpx import Response

SEEDS = Path(__file__).parent / "seeds"
DOCUMENTED_TOKEN = "82ddc7c68623726346a78371173e2f8d"
ENTITY = "integration_point entity"
"""What the documents write where a body has the entity that is shown in the answer."""
OURS = {"observes"}


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and the answer that the documents show."""

    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int
    answer: Any

    def run(self, api: Api, *, token: str = DOCUMENTED_TOKEN) -> Response:
        """Send the request, with this token_local in the place of the documented one."""
        headers = {**self.headers, "Authorization": f"Bearer {api.key}"}
        body = self.body.replace(ENTITY, json.dumps(self.answer)).replace(DOCUMENTED_TOKEN, token)
        answer = api.client.request(self.method, self.target, headers=headers, content=body.encode())
        assert answer.status_code == self.status, answer.text
        return answer


def example(name: str) -> Example:
    """Read a file: the request, then from the line with the status on the answer."""
    text = (SEEDS / f"era_{name}.http").read_text()
    request, _, answer = text.partition("\nHTTP/1.1 ")
    head, _, body = request.partition("\n\n")
    first, *headers = head.strip().splitlines()
    method, target, _ = first.split()
    status, _, told = answer.partition("\n")
    shown = told.partition("\n\n")[2]
    return Example(
        method,
        target,
        dict(header.split(": ", 1) for header in headers),
        body.strip(),
        int(status.split()[0]),
        json.loads(shown) if shown else None,
    )


def same_shape(shown: Any, documented: Any) -> None:
    """Check that an answer has what the documents show, of the same types, and nothing more but what is ours."""
    assert type(shown) is type(documented)
    if isinstance(documented, dict):
        assert set(shown) - OURS == set(documented)
        assert [name for name in shown if name not in OURS] == list(documented)
        for name, value in documented.items():
            same_shape(shown[name], value)
    if isinstance(documented, list):
        assert len(shown) == len(documented)
        for one, other in zip(shown, documented, strict=True):
            same_shape(one, other)


def same_entity(shown: dict[str, Any], documented: dict[str, Any]) -> None:
    """Check an entity: the shape, and all values but its token and its times, which are made here."""
    same_shape(shown, documented)
    made_here = {"token_local", "ext", *OURS}
    assert {k: v for k, v in shown.items() if k not in made_here} == {
        k: v for k, v in documented.items() if k not in made_here
    }


@pytest.fixture
def both(either_api: Api) -> Api:
    """Have the two channels that the examples speak of."""
    listed = example("list")
    for entity in listed.answer:
        answer = either_api.call("POST", "/rest/v1/service/integration_points", json=entity)
        assert answer.status_code == 200, answer.text
    return either_api


def test_create(either_api: Api) -> None:
    """A channel is made from the entity as it is written, its id kept and its token made anew."""
    wanted = example("create")

    made = wanted.run(either_api).json()

    same_entity(made, wanted.answer)
    assert made["token_local"] != DOCUMENTED_TOKEN
    assert len(made["token_local"]) == 32
    assert set(made["token_local"]) <= set("0123456789abcdef")


def test_list(both: Api) -> None:
    """The list has both channels, without `opts.comment`."""
    wanted = example("list")

    shown = wanted.run(both).json()

    by_id = {one["id"]: one for one in shown}
    assert len(shown) == 2
    for documented in wanted.answer:
        same_entity(by_id[documented["id"]], documented)


def test_get(both: Api) -> None:
    """A channel is got with all its fields. (The documents ask for one channel and show the other.)"""
    wanted = example("get")

    shown = wanted.run(both).json()

    same_shape(shown, wanted.answer)
    assert wanted.target.endswith(shown["id"])


def test_change(both: Api) -> None:
    """What is given is changed: the token of the far side, in the documents."""
    wanted = example("change")
    token = both.call("GET", wanted.target).json()["token_local"]

    shown = wanted.run(both, token=token).json()

    same_entity(shown, wanted.answer)
    assert shown["token_remote"] == "00ea293c29f9dc30"
    assert shown["token_local"] == token


def test_delete(both: Api) -> None:
    """A channel is deleted once."""
    wanted = example("delete")

    assert wanted.run(both).content == b""
    assert both.call("DELETE", wanted.target).status_code == 404


def test_lookup(both: Api) -> None:
    """A channel is found by its token."""
    wanted = example("lookup")
    (sought,) = wanted.answer
    token = both.get(f"/rest/v1/service/integration_points/{sought}").json()["token_local"]

    assert wanted.run(both, token=token).json() == wanted.answer


def test_lookup_failed(both: Api) -> None:
    """A token that is nobody's is not found, in the documents' own words."""
    wanted = example("lookup_failed")

    assert wanted.run(both).json() == wanted.answer


def test_every_file_is_run() -> None:
    """No example lies in the folder without its test."""
    here = {f"test_{path.stem.removeprefix('era_')}" for path in SEEDS.glob("era_*")}

    assert here <= set(globals())
    assert len(here) == 7
