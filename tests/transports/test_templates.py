"""Templates: what they can say of an event, what is refused, and that none of them can eat time or memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Annotated, Any
from uuid import UUID

import pytest
from contracts.cases import NOW, SIGNING_SECRET
from pydantic import Field

from postrider.domain.delivery import Claimed
from postrider.domain.errors import InvalidInput
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Dialect, Sender, compose, payload_of
from postrider.transports.configuration import Form, Template, revised
from postrider.transports.template_language import TemplateFailed, rendered
from postrider.transports.template_sample import sample_document
from postrider.transports.template_values import read
from postrider.transports.templates import TemplatedConfiguration

PAYLOAD = json.dumps(
    {
        "data": {
            "name": 'Ada "the" <b>Fischer</b>',
            "items": [{"sku": "MUG", "n": 1}, {"sku": "LAMP", "n": 2}],
            "paid": True,
            "nothing": None,
            "many": list(range(9_000)),
            "long": "x" * 200_000,
            "_id": "under",
        }
    }
).encode()
PAYLOAD = PAYLOAD[:-1] + b',"total":1.10,"huge":12345678901234567890123}'
DOCUMENT = read(sample_document(PAYLOAD))


class Mail(TemplatedConfiguration):
    """A configuration such as transports have."""

    subject: Annotated[str, Template(Form.LINE)] = "{{ event.type }}"
    html: Annotated[str | None, Template(Form.HTML)] = None
    note: Annotated[str, Template(may_be_empty=True)] = ""
    headers: Annotated[dict[str, str], Template(Form.LINE)] = Field(default={})


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("{{ payload.data.items[0].sku }}", "MUG"),
        ("{{ payload.data.items | length }}", "2"),
        ("{{ payload.data._id }}", "under"),
        ("{{ payload.data.paid }}", "true"),
        ("{{ payload.total }} {{ payload.huge }}", "1.10 12345678901234567890123"),
        ("{{ payload.total * 2 }}", "2.2"),
        ("{{ payload.total | round(3) }} {{ 2.5 * 3 | round }}", "1.100 7.5"),
        ("{{ payload.data.items }}", '[{"sku":"MUG","n":1},{"sku":"LAMP","n":2}]'),
        ("{{ payload | tojson | length > 100 }}", "true"),
        ("{% for one in payload.data.items %}{{ one.sku }}{{ ', ' if not loop.last }}{% endfor %}", "MUG, LAMP"),
        ("{% for name in payload.data %}{{ name[:1] }}{% endfor %}", "nipnml_"),
        ("{% if payload.data.zip is defined %}yes{% else %}no{% endif %}", "no"),
        ("{{ payload.data.zip | default('none') }}{{ payload.data.nothing | default('!') }}", "none!"),
        ("{{ payload.no.such.place | default }}", ""),
        ("{{ 'a' ~ 1 ~ payload.total }}", "a11.10"),
        ("{{ [1, 'b'] | join('-') }}", "1-b"),
        ("{{ [1, 'b'] | join(0) }}{{ ['a', 'b'] | join([1]) }}", "10ba[1]b"),
        ("{{ event.created_at | date('%d.%m.%Y') }}", "22.11.2026"),
        ("{{ '  ada ' | trim | title }} {{ 'x' | upper }} {{ 'Y' | lower }}", "Ada X y"),
        ("{{ 'a/b' | urlencode }} {{ 'aba' | replace('a', 'o') }}", "a%2Fb obo"),
        ("{{ payload.data.items | first | tojson }}{{ (payload.data.items | last).sku }}", '{"sku":"MUG","n":1}LAMP'),
        ("{% set total = payload.data.items[1].n + 1 %}{{ total }}", "3"),
        ("{{ 'MUG' in 'a MUG' }} {{ 'x' in payload.data.items }}", "true false"),
    ],
)
def test_what_templates_can_say(source: str, made: str) -> None:
    """Members, lists, loops, conditions and the filters work; numbers stay as they were published."""
    assert rendered(source, Form.TEXT, DOCUMENT) == made


@pytest.mark.parametrize(
    ("form", "source", "made"),
    [
        (Form.HTML, "<p>{{ payload.data.name }}</p>", "<p>Ada &quot;the&quot; &lt;b&gt;Fischer&lt;/b&gt;</p>"),
        (Form.HTML, "{{ '<' | escape }}", "&lt;"),
        (Form.JSON, '{"to":"{{ payload.data.name }}"}', '{"to":"Ada \\"the\\" <b>Fischer</b>"}'),
        (Form.JSON, "{{ payload.data.name | tojson }}", '"Ada \\"the\\" <b>Fischer</b>"'),
        (Form.JSON, '{"n":{{ payload.total }}}', '{"n":1.10}'),
        (Form.URL, "/orders/{{ 'a/../b?c' }}", "/orders/a%2F..%2Fb%3Fc"),
        (Form.TEXT, "{{ payload.data.name }}", 'Ada "the" <b>Fischer</b>'),
    ],
)
def test_values_are_escaped_for_what_they_stand_in(form: Form, source: str, made: str) -> None:
    """What a publisher wrote cannot break out of HTML, of JSON or of a path."""
    assert rendered(source, form, DOCUMENT) == made


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("{{ payload.data.customer.phone }}", "payload.data.customer.phone"),
        ("{{ payload.data.customer.phone | upper }}", "payload.data.customer.phone"),
        ("{{ payload.data.items[5].sku }}", "payload.data.items[5].sku"),
        ("{% for one in payload.data.lines %}{% endfor %}", "payload.data.lines"),
        ("{% if payload.data.zip %}{% endif %}", "payload.data.zip"),
        ("{{ payload.data.nothing }}", "payload.data.nothing"),
        ("{{ customer }}", "customer"),
        ("{{ payload.__class__ }}", "payload.__class__"),
        ("{{ payload.items }}", "payload.items"),
        ("{{ payload.data.items.append }}", "payload.data.items.append"),
        ("{% for a in [1] %}{{ loop.__init__ }}{% endfor %}", "loop.__init__"),
        ("{{ range }}", "range"),
    ],
)
def test_what_is_missing_is_named(source: str, missing: str) -> None:
    """Nothing is filled in with emptiness, and no value has more members than its JSON."""
    with pytest.raises(TemplateFailed) as failed:
        rendered(source, Form.TEXT, DOCUMENT)

    assert failed.value.missing == missing


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ payload", "line 1: unexpected end of template"),
        ("{{ range(3) }}", "calling a function"),
        ("{{ payload.items() }}", "calling a function"),
        ("{{ 2 ** 3 }}", "raising to a power"),
        ("{{ {} }}", "an object"),
        ("{% macro x() %}{% endmacro %}", "macro"),
        ("{% include 'x' %}", "include"),
        ("{% import 'x' as y %}", "import"),
        ("{% extends 'x' %}", "extends"),
        ("{% block x %}{% endblock %}", "block"),
        ("{% set a %}x{% endset %}", "assignblock"),
        ("{% set a, b = [1, 2] %}", "only a single name"),
        ("{% filter upper %}x{% endfilter %}", "filterblock"),
        ("{% for a in [1] recursive %}{% endfor %}", "for"),
        ("{{ payload | map('upper') }}", "there is no filter map; there are date, default"),
        ("{{ payload | shown('x') }}", "there is no filter shown"),
        ("{{ 1 is callable }}", "there is no test callable"),
        ("{{ 1 / 0 }}", "it divides by zero"),
        ("{{ 'a' + 'b' }}", "write a ~ b to join texts"),
        ("{{ payload == payload }}", "cannot be compared"),
        ("{% for a in 'text' %}{% endfor %}", "a loop needs a list or an object"),
        ("{{ 'soon' | date }}", "Invalid isoformat string"),
        ("{{ event.created_at | date('%999999999d') }}", "a date's form takes"),
        ("x" * 16_385, "at most 16 KiB"),
        ("{{ 1e999 }}", "a number is too large"),
        ("{{ " + "9" * 400 + ".0 | round }}", "a number is too large"),
    ],
)
def test_what_is_refused(source: str, said: str) -> None:
    """What the language leaves out is told by name."""
    with pytest.raises(TemplateFailed) as failed:
        rendered(source, Form.TEXT, DOCUMENT)

    assert said in failed.value.problem


BOMBS = {
    "power": "{{ 10 ** 10 ** 10 }}",
    "times": "{{ 'x' * 1000000000 }}",
    "list times": "{{ [0] * 1000000000 }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "format": "{{ '%1000000000d' | format(1) }}",
    "format method": "{{ '{:>1000000000}'.format(1) }}",
    "center": "{{ 'x' | center(1000000000) }}",
    "indent": "{{ 'x' | indent(1000000000) }}",
    "wordwrap": "{{ payload.data.long | wordwrap(1) }}",
    "range": "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
    "nested loops": "{% for a in payload.data.many %}{% for b in payload.data.many %}{{ a }}{% endfor %}{% endfor %}",
    "empty loops": "{% for a in payload.data.many %}{% for b in payload.data.many %}{% endfor %}{% endfor %}",
    "filtered loop": "{% for a in payload.data.many if payload.data.long in payload.data.long %}{% endfor %}",
    "long body": "{% for a in payload.data.many %}" + "{% if 1 %}{% endif %}" * 700 + "{% endfor %}",
    "search": "{% for a in payload.data.many %}{{ 'y' in payload.data.long }}{% endfor %}",
    "comparison": "{% for a in payload.data.many %}{{ payload.data.long < payload.data.long }}{% endfor %}",
    "membership": "{% for a in payload.data.many %}{{ 'y' in payload.data.many }}{% endfor %}",
    "json": "{% for a in payload.data.many %}{{ payload.data.many | tojson | length }}{% endfor %}",
    "output": "{% for a in payload.data.many %}{{ payload.data.long }}{% endfor %}",
    "plain output": "{% for a in payload.data.many %}" + "x" * 1_000 + "{% endfor %}",
    "slices": "{% for a in payload.data.many %}{{ payload.data.long[1:] | length }}{% endfor %}",
    "doubling": "{% set a = 'xxxxxxxx' %}" + "{% set a = a ~ a %}" * 600 + "{{ a | length }}",
    "nested doubling": "{% for a in ['x' ~ payload.data.long] %}{% for b in [a ~ a] %}{{ b }}{% endfor %}{% endfor %}",
    "replace": "{{ 'xx'" + "|replace('x', 'xxxxxxxxxxxxxxxx')" * 20 + " }}",
    "join": "{{ payload.data.many | join(payload.data.long) }}",
    "squares": "{% set a = 999999999 %}" + "{% set a = a * a %}" * 500 + "{{ a }}",
    "long number": "{{ " + "9" * 10_000 + " }}",
    "brackets": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "sum": "{{ " + "1+" * 5_000 + "1 }}",
    "ifs": "{% if 1 %}" * 500 + "{% endif %}" * 500,
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_no_template_eats_time_or_memory(source: str) -> None:
    """Whatever a template asks for, it is stopped soon, and has not grown."""
    tracemalloc.start()
    began = time.process_time()

    with pytest.raises(TemplateFailed):
        rendered(source, Form.TEXT, DOCUMENT)

    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Memory that is traced costs several times its time.
    assert took < 4.0
    assert peak < 64 * 1024 * 1024


def saved(**given: Any) -> dict[str, Any]:
    return revised(Mail, given, {})


def test_saving_tries_templates_on_the_sample_order() -> None:
    """What the sample order has can be used as it is; what it may lack, with a default."""
    stored = saved(
        subject="{{ payload.data.customer.name }}", html="{{ payload.data.fax | default('none') }}", headers={"A": "b"}
    )

    assert stored["subject"] == "{{ payload.data.customer.name }}"


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        (
            {"subject": "{{ payload.data.custmer.name }}"},
            "data.configuration.subject",
            'where it may be missing, write {{ payload.data.custmer.name | default("") }}',
        ),
        ({"html": "{{ "}, "data.configuration.html", "html: line 1: unexpected"),
        ({"headers": {"X-A": "{{ a }}"}}, "data.configuration.headers.X-A", "headers.X-A: a is not there"),
        ({"subject": " "}, "data.configuration.subject", "nothing came of it"),
    ],
)
def test_saving_refuses_what_cannot_be_filled_in(given: dict[str, Any], pointer: str, said: str) -> None:
    """A mistake is told when it is made: which field, what is missing, and how to allow that."""
    with pytest.raises(InvalidInput) as refused:
        saved(**given)

    assert refused.value.pointer == pointer
    assert said in refused.value.detail


def test_rendering_gives_each_field() -> None:
    """A line is one line, an empty text may be allowed, and a table's texts go by their names."""
    mail = Mail(subject=" A {{ payload.data.name }}\n B", headers={"X-Id": "{{ delivery.id }}"})

    made = mail.render(sample_document(b'{"data":{"name":"x\\r\\ny"}}'))

    assert made == {"subject": "A x y B", "note": "", "headers.X-Id": "019ab3c4-7f00-7c6d-8e9f-0a1b2c3d4e5f"}


def test_a_composed_message_is_what_templates_speak_of() -> None:
    """A templated message holds the payload byte for byte, and who it is of and for."""
    integration = Integration(
        UUID(int=1), UUID(int=2), "mail", "Orders", "", True, (), {}, DeliveryPolicy(), SIGNING_SECRET, 1, NOW, NOW
    )
    payload = b'{ "total": 1.10 }'
    claimed = Claimed(
        UUID(int=3),
        UUID(int=2),
        UUID(int=1),
        1,
        UUID(int=4),
        "order.paid",
        payload,
        2,
        0,
        0,
        UUID(int=5),
        NOW,
        NOW,
        NOW,
    )

    message = compose(claimed, integration, Sender("", "", ""), dialect=Dialect.TEMPLATED, body_limit=None, now=NOW)

    assert payload_of(message.body) == payload
    assert json.loads(message.body) == {
        "payload": {"total": 1.1},
        "event": {"id": str(UUID(int=4)), "type": "order.paid", "created_at": "2026-11-22T12:00:00.000Z"},
        "integration": {"id": str(UUID(int=1)), "name": "Orders"},
        "delivery": {"id": str(UUID(int=3)), "attempt": 2},
    }
