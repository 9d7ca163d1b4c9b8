"""What every transport keeps to, over a real far side of its kind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import entry_points

import pytest
from contracts.cases import SLACK, Case, FarSide, all_cases, trip
from servers.process import wait_until

from postrider.domain.errors import InvalidInput
from postrider.domain.exhibit import MASK
from postrider.domain.outcome import EXCERPT_BYTES, Outcome, Verdict
from postrider.transports.configuration import masked, secret_fields
from postrider.transports.registry import GROUP

CASES = all_cases()


@pytest.fixture(params=CASES, ids=[case.name for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    given: Case = request.param
    return given


@pytest.fixture
def far_side(case: Case) -> Iterator[FarSide]:
    with case.start() as started:
        yield started


def test_every_registered_transport_is_in_this_suite() -> None:
    """No transport ships that was not held against the contract."""
    registered = {entry.name for entry in entry_points(group=GROUP)}

    assert {case.name for case in CASES} == registered


def test_type_name_is_the_registered_one(case: Case, far_side: FarSide) -> None:
    """A transport is known by one name."""
    assert far_side.transport.type_name == case.name


def test_messages_arrive_byte_for_byte(case: Case, far_side: FarSide) -> None:
    """What was put in is what arrives, each message once, and each outcome says delivered."""
    with trip(far_side) as flight:
        messages = flight.messages(20)
        landed = flight.send(messages)

    assert set(landed) == {message.id for message in messages}
    assert {outcome.verdict for outcome in landed.values()} == {Verdict.DELIVERED}
    assert sorted(far_side.received()) == sorted(case.arrives(message) for message in messages)


def test_delivered_outcome_has_no_error(far_side: FarSide) -> None:
    """A delivered message has neither an error word nor a detail, and its duration is told."""
    with trip(far_side) as flight:
        (outcome,) = flight.send(flight.messages(1)).values()

    assert (outcome.error, outcome.detail, outcome.gone) == ("", "", False)
    assert 0 < outcome.duration.total_seconds() < flight.timeout


def test_unusual_payloads_arrive_unchanged(case: Case, far_side: FarSide) -> None:
    """Text of any script, escapes and numbers of any length pass through."""
    payload = '{"name":"Zoë 東京 🚚","n":1.10,"big":12345678901234567890.0,"nul":"\\u0000"}'.encode()
    with trip(far_side) as flight:
        messages = flight.messages(1, payload)
        (outcome,) = flight.send(messages).values()

    assert outcome.verdict is Verdict.DELIVERED
    assert far_side.received() == [case.arrives(messages[0])]


@pytest.mark.quiet
def test_room_shrinks_and_comes_back(far_side: FarSide) -> None:
    """A flight has room for its limit, less by what is in it, and all of it again at the end."""
    far_side.hang()
    with trip(far_side, max_in_flight=4, timeout=1.0) as flight:
        before = flight.flight.room()
        flight.flight.put(flight.messages(3))
        during = flight.flight.room()
        flight.take_all(3, within=1.0 + SLACK)
        after = flight.flight.room()

    assert (before, during, after) == (4, 1, 4)


@pytest.mark.quiet
def test_silent_far_side_costs_no_more_than_the_deadline(far_side: FarSide) -> None:
    """When the far side takes everything and says nothing, all outcomes are there at the deadline: try again."""
    far_side.hang()
    with trip(far_side, timeout=1.0) as flight:
        started = time.monotonic()
        flight.flight.put(flight.messages(8))
        landed = flight.take_all(8, within=1.0 + SLACK)
        took = time.monotonic() - started

    assert [outcome.error for outcome in landed.values()] == ["timeout"] * 8
    assert {outcome.verdict for outcome in landed.values()} == {Verdict.TEMPORARY}
    assert took <= 1.0 + SLACK


@pytest.mark.quiet
def test_put_returns_at_once(far_side: FarSide) -> None:
    """Putting waits for nobody."""
    far_side.hang()
    with trip(far_side, timeout=1.0) as flight:
        started = time.monotonic()
        flight.flight.put(flight.messages(8))
        took = time.monotonic() - started

    assert took < 0.2


def test_errors_of_the_far_side_are_outcomes(far_side: FarSide) -> None:
    """A far side that answers with errors makes outcomes that name the error for machines and for people."""
    far_side.fail()
    with trip(far_side) as flight:
        landed = flight.send(flight.messages(5))

    assert len(landed) == 5
    for outcome in landed.values():
        assert outcome.verdict in {Verdict.TEMPORARY, Verdict.PERMANENT}
        assert outcome.error == outcome.error.lower()
        assert " " not in outcome.error
        assert outcome.detail


def test_no_secret_leaves_in_an_outcome(far_side: FarSide) -> None:
    """What the far side repeats to us does not carry the integration's secrets on."""
    far_side.fail()
    with trip(far_side) as flight:
        outcomes = list(flight.send(flight.messages(2)).values())

    assert len(outcomes) == 2
    for text in (shown(outcome) for outcome in outcomes):
        for secret in far_side.secrets:
            assert secret not in text
            assert json.dumps(secret)[1:-1] not in text


def test_an_exhibit_is_what_arrives(far_side: FarSide) -> None:
    """What people are shown of a message is what the far side got, but for a mask in the place of secrets."""
    payload = '{"name":"Zoë 東京 🚚","n":1.10,"quoted":"\\"********\\"","lines":"a\\nb"}'.encode()
    with trip(far_side) as flight:
        (message,) = flight.messages(1, payload)
        flight.send([message])
        shown = far_side.transport.exhibit(flight.integration, message)

    assert shown is not None
    (arrived,) = (body.decode() for body in far_side.received())
    for secret in far_side.secrets:
        arrived = arrived.replace(json.dumps(secret), f'"{MASK}"')
    assert shown.body == arrived
    assert shown.kind
    assert shown.title


def test_an_exhibit_holds_no_secret(far_side: FarSide) -> None:
    """Nobody learns a secret from it, nor a signature that could be used."""
    with trip(far_side) as flight:
        (message,) = flight.messages(1)
        shown = far_side.transport.exhibit(flight.integration, message)

    text = json.dumps(asdict(shown) if shown else {}, ensure_ascii=False)
    signatures = [value for name, value in message.headers if name == "webhook-signature"]
    for secret in (*far_side.secrets, *signatures):
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text
        assert json.dumps(json.dumps(secret)[1:-1])[1:-1] not in text


def test_excerpt_is_bounded(far_side: FarSide) -> None:
    """However long an answer is, little of it is kept."""
    far_side.fail()
    with trip(far_side) as flight:
        (outcome,) = flight.send(flight.messages(1, json.dumps("long" * EXCERPT_BYTES).encode())).values()

    assert len(outcome.response_body.encode()) <= EXCERPT_BYTES
    assert "\x00" not in outcome.response_body


def test_far_side_that_is_gone_is_tried_again(far_side: FarSide) -> None:
    """When nobody listens the outcome says so before the deadline, and that it may work later."""
    far_side.vanish()
    with trip(far_side, timeout=3.0) as flight:
        landed = flight.send(flight.messages(3))

    assert len(landed) == 3
    assert {outcome.verdict for outcome in landed.values()} == {Verdict.TEMPORARY}


def test_far_side_that_goes_in_the_middle_is_tried_again(far_side: FarSide) -> None:
    """A connection that breaks under messages in flight loses none of them from sight."""
    far_side.hang()
    with trip(far_side, timeout=3.0) as flight:
        messages = flight.messages(3)
        flight.flight.put(messages)
        early = flight.flight.take(0.3)
        far_side.vanish()
        landed = flight.take_all(3, within=3.0 + SLACK)

    assert early == []
    assert set(landed) == {message.id for message in messages}
    assert {outcome.verdict for outcome in landed.values()} <= {Verdict.TEMPORARY, Verdict.UNKNOWN}


def test_flight_recovers_with_its_far_side(far_side: FarSide) -> None:
    """The same flight delivers again once the far side does."""
    far_side.fail()
    with trip(far_side) as flight:
        failed = flight.send(flight.messages(3))
        far_side.succeed()
        delivered = flight.send(flight.messages(3))

    assert all(outcome.verdict is not Verdict.DELIVERED for outcome in failed.values())
    assert [outcome.verdict for outcome in delivered.values()] == [Verdict.DELIVERED] * 3


def test_wake_is_called_for_outcomes(far_side: FarSide) -> None:
    """Who waits for many flights at once is told when one has something."""
    with trip(far_side) as flight:
        flight.flight.put(flight.messages(1))
        wait_until(lambda: bool(flight.wakes), "it was told", seconds=flight.timeout)
        landed = flight.take_all(1, within=0.5)

    assert len(landed) == 1


@pytest.mark.quiet
def test_take_does_not_wait_when_told_not_to(far_side: FarSide) -> None:
    """A taker in a hurry gets what there is: nothing."""
    far_side.hang()
    with trip(far_side, timeout=1.0) as flight:
        flight.flight.put(flight.messages(1))
        started = time.monotonic()
        landed = flight.flight.take(0)
        took = time.monotonic() - started

    assert landed == []
    assert took < 0.1


@pytest.mark.quiet
def test_take_waits_as_long_as_told(far_side: FarSide) -> None:
    """A taker waits for the first outcome, no longer than it said."""
    far_side.hang()
    with trip(far_side, timeout=2.0) as flight:
        flight.flight.put(flight.messages(1))
        started = time.monotonic()
        landed = flight.flight.take(0.3)
        took = time.monotonic() - started

    assert landed == []
    assert 0.25 < took < 0.3 + SLACK


def test_close_accounts_for_every_message(far_side: FarSide) -> None:
    """After a close each message is either given back as unsent or has an outcome by its deadline, never both."""
    far_side.hang()
    with trip(far_side, timeout=1.0) as flight:
        messages = flight.messages(8)
        flight.flight.put(messages)
        unsent = flight.flight.close()
        landed = flight.take_all(8 - len(unsent), within=1.0 + SLACK)

    assert set(landed) | set(unsent) == {message.id for message in messages}
    assert len(landed) + len(unsent) == 8


def test_close_twice_does_no_harm(far_side: FarSide) -> None:
    """A second close gives nothing back a second time."""
    with trip(far_side) as flight:
        flight.send(flight.messages(2))
        first, second = flight.flight.close(), flight.flight.close()

    assert (first, second) == ([], [])


def test_outcomes_can_be_taken_after_a_close(far_side: FarSide) -> None:
    """What landed before a close is not lost by it."""
    with trip(far_side) as flight:
        messages = flight.messages(1)
        flight.flight.put(messages)
        wait_until(lambda: bool(flight.wakes), "it was told", seconds=flight.timeout)
        flight.flight.close()
        landed = flight.take_all(1, within=1.0)

    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED]


def test_closed_flight_has_no_room(far_side: FarSide) -> None:
    """Nothing more goes into a flight that was closed."""
    with trip(far_side) as flight:
        flight.flight.close()

        assert flight.flight.room() <= 0


def test_flights_leave_no_threads(far_side: FarSide) -> None:
    """A worker that opens and closes flights all day has no more threads in the evening."""
    with trip(far_side) as flight:
        flight.send(flight.messages(1))
    before = threading.active_count()

    for _ in range(5):
        with trip(far_side) as flight:
            assert len(flight.send(flight.messages(1))) == 1

    wait_until(lambda: threading.active_count() <= before, "the flights' threads have ended", seconds=5)


@pytest.mark.quiet
def test_hanging_flights_do_not_slow_a_second_one(case: Case, far_side: FarSide) -> None:
    """An integration whose far side is silent does not hold up another's."""
    far_side.hang()
    with trip(far_side, timeout=3.0) as silent, case.start() as other:
        silent.flight.put(silent.messages(8))
        with trip(other, timeout=3.0) as healthy:
            started = time.monotonic()
            landed = healthy.send(healthy.messages(5))
            took = time.monotonic() - started

    assert [outcome.verdict for outcome in landed.values()] == [Verdict.DELIVERED] * 5
    assert took < 2.0


@pytest.mark.parametrize("guarded", [case for case in CASES if case.guarded], ids=lambda case: case.name)
def test_private_address_is_refused(guarded: Case) -> None:
    """Without the operator's leave nothing reaches an address inside, and the outcome is final."""
    with guarded.start() as far_side, trip(far_side, transport=far_side.guarded()) as flight:
        landed = flight.send(flight.messages(2))
        received = far_side.received()

    assert [outcome.error for outcome in landed.values()] == ["address_refused"] * 2
    assert {outcome.verdict for outcome in landed.values()} == {Verdict.PERMANENT}
    assert received == []


def test_message_over_the_limit_is_refused_alone(far_side: FarSide) -> None:
    """A body that is too large for the far side is final, and its neighbours go."""
    limit = far_side.transport.body_limit or 0
    with trip(far_side) as flight:
        small = flight.messages(2)
        (large,) = flight.messages(1, b'{"x":"' + b"x" * limit + b'"}')
        landed = flight.send([small[0], large, small[1]])

    assert [landed[message.id].verdict for message in small] == [Verdict.DELIVERED] * 2
    if limit:
        assert (landed[large.id].verdict, landed[large.id].error) == (Verdict.PERMANENT, "body_too_large")
    else:
        assert landed[large.id].verdict is Verdict.DELIVERED


def test_configuration_names_the_field_that_is_unknown(far_side: FarSide) -> None:
    """A misspelt field is refused by its name."""
    with pytest.raises(InvalidInput) as refusal:
        far_side.transport.configuration_model.parse({**far_side.configuration, "colour": "red"})

    assert refusal.value.pointer == "data.configuration.colour"


def test_configuration_names_the_field_that_is_missing(far_side: FarSide) -> None:
    """Each field that is needed is asked for by its name."""
    model = far_side.transport.configuration_model
    for name, field in model.model_fields.items():
        if not field.is_required():
            continue
        with pytest.raises(InvalidInput) as refusal:
            model.parse({key: value for key, value in far_side.configuration.items() if key != name})

        assert refusal.value.pointer == f"data.configuration.{name}"


def test_configuration_shows_no_secret(far_side: FarSide) -> None:
    """Whoever may only read sees no secret field in clear."""
    model = far_side.transport.configuration_model
    stored = model.parse(far_side.configuration).stored()
    shown_to_readers = json.dumps(masked(model, stored, for_writer=False))

    names = [name for name in secret_fields(model) if stored.get(name)]
    assert names
    for name in names:
        assert json.dumps(stored[name])[1:-1] not in shown_to_readers


def test_configuration_survives_being_stored(far_side: FarSide) -> None:
    """What was stored can be read again, and means the same."""
    model = far_side.transport.configuration_model
    stored = model.parse(far_side.configuration).stored()

    assert model.parse(json.loads(json.dumps(stored))).stored() == stored


def test_every_field_is_described(far_side: FarSide) -> None:
    """Forms and docs are made from the model: each field has its title and its sentence."""
    for field in far_side.transport.configuration_model.model_fields.values():
        assert field.title
        assert field.description


def shown(outcome: Outcome) -> str:
    """Write down all that an outcome holds."""
    return json.dumps(asdict(outcome), default=str, ensure_ascii=False) + str(dict(outcome.response_headers))
