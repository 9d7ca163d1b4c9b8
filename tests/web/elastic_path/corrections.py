"""What to read in Elastic Path's published document where it says something else than its API does, and why."""

from __future__ import annotations

from typing import Any

STRICT = ("Integration", "IntegrationJob", "IntegrationLog", "Links", "Meta", "Results", "Timestamps")
"""Few members are marked as required in the document; its own examples hold all of these."""


def correct(document: dict[str, Any]) -> dict[str, Any]:
    """Mend the document in place."""
    schemas = document["components"]["schemas"]
    _name_observes_as_it_is_called(schemas)
    _give_stomp_its_own_fields(schemas)
    _choose_the_configuration_by_its_type(schemas)
    _call_logs_logs(schemas)
    _describe_what_deleting_answers(document)
    _require_what_the_examples_hold(schemas)
    return document


def _name_observes_as_it_is_called(schemas: dict[str, Any]) -> None:
    # `required` says `observers`; the property, the prose and all examples say `observes`.
    required = schemas["IntegrationCreate"]["required"]
    required[required.index("observers")] = "observes"
    # The prose gives `integration_type` a default, so it is not needed either.
    required.remove("integration_type")


def _give_stomp_its_own_fields(schemas: dict[str, Any]) -> None:
    # `required` says `url`, which is none of its properties.
    schemas["STOMPConfigurationObject"]["required"] = ["addresses", "destination"]


def _choose_the_configuration_by_its_type(schemas: dict[str, Any]) -> None:
    # `oneOf` without a discriminator: every SQS configuration is a webhook's too, and matches twice.
    kinds = {
        "webhook": "WebhookConfigurationObject",
        "aws_sqs": "AWSSQSConfigurationObject",
        "stomp": "STOMPConfigurationObject",
    }
    for name in ("Integration", "IntegrationCreate", "IntegrationUpdate"):
        del schemas[name]["properties"]["configuration"]["oneOf"]
        schemas[name]["allOf"] = [
            {
                "if": {"properties": {"integration_type": {"const": kind}}, "required": ["integration_type"]},
                "then": {"properties": {"configuration": {"$ref": f"#/components/schemas/{schema}"}}},
            }
            for kind, schema in kinds.items()
        ]


def _call_logs_logs(schemas: dict[str, Any]) -> None:
    # The document says `integration`, without time and duration; prose, examples and SDK say this.
    log = schemas["IntegrationLog"]["properties"]
    log["type"] = {"type": "string", "enum": ["integration-log"]}
    log["processing_time"] = {"type": "number", "minimum": 0}
    log["meta"] = {
        "type": "object",
        "required": ["timestamps"],
        "properties": {
            "timestamps": {
                "type": "object",
                "required": ["created_at"],
                "properties": {"created_at": {"type": "string", "format": "date-time"}},
            }
        },
    }


def _describe_what_deleting_answers(document: dict[str, Any]) -> None:
    # The document gives the answer no body; the prose shows one.
    gone = {
        "type": "object",
        "required": ["type", "id"],
        "properties": {"type": {"const": "integration"}, "id": {"type": "string"}},
        "additionalProperties": False,
    }
    answer = document["paths"]["/integrations/{integration_uuid}"]["delete"]["responses"]["200"]
    schema = {"type": "object", "required": ["data"], "properties": {"data": gone}}
    answer["content"] = {"application/json": {"schema": schema}}


def _require_what_the_examples_hold(schemas: dict[str, Any]) -> None:
    for name in STRICT:
        schemas[name]["required"] = list(schemas[name]["properties"])
    for name in ("meta", "links"):
        inner = schemas[name.capitalize()]["properties"][name]
        inner["required"] = list(inner["properties"])
