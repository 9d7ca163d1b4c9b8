"""The tables. The hot ones (events, deliveries, attempts) carry no foreign keys: each row of them is written by a
statement that has just read its parent, and a key check would lock the parent once more for every delivery.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    literal_column,
    text,
)

from postrider.domain.delivery import LOST_ALONE
from postrider.domain.ids import first_at

from .types import Instant, Json

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
    }
)


def status_is(column: ColumnElement[str], status: str) -> ColumnElement[bool]:
    """Compare a status with a word of ours, written out: with a bound one the planner leaves partial indexes aside."""
    return column == literal_column(f"'{status}'")


_IDS_OFF = timedelta(minutes=10)
"""By so much an id may tell another time than its row: it is made a little later, by a clock that is put right."""
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def made_between(
    row_id: ColumnElement[UUID],
    created_at: ColumnElement[datetime],
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    """Say that a row was made at `since` or later and before `until`, so that an index of ids finds the place."""
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions += [created_at >= since, row_id >= first_at(since - min(_IDS_OFF, since - _FIRST))]
    if until is not None:
        conditions += [created_at < until, row_id < first_at(until + min(_IDS_OFF, _LAST - until))]
    return conditions


def holds(condition: str) -> ColumnElement[bool]:
    """Say the condition of a partial index in its own words."""
    return literal_column(condition)


def _partial(condition: str) -> dict[str, object]:
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


# How PostgreSQL tidies up; SQLite has nothing of the kind. Its own measure, a fifth of the table, lets a million claims
# and more leave their mark in the partial indexes, which hold what is to be done: each look for work begins with them.
_WORKED_ON = {
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 5_000,
    # Else what a claim leaves in the indexes stays there until it is on every fiftieth page of the table.
    "vacuum_index_cleanup": "on",
    # Lists and jobs are planned by how many there are of each status and error, which changes sooner than the table.
    "autovacuum_analyze_scale_factor": 0.02,
}
# Written once, and deleted by the oldest: the room of what was forgotten is used again soon.
_KEPT = {"autovacuum_vacuum_scale_factor": 0.05}
# Few rows, written over and over, in columns that no index holds: with room on its page a new version costs no index
# anything, and the old one is gone with the next look at the page. The vacuum comes by its count, not by its share.
_OVERWRITTEN = {
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1_000,
}
# A queue: what comes in goes out again, and the next look begins with the place of what went.
_PASSING = {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 1_000}

IN_LISTS = "status IN ('pending', 'dead', 'discarded', 'skipped')"
"""Of a delivery that is looked for by its status; most are delivered, and few are being sent."""
FAILED = "error <> ''"
"""Of a delivery whose last attempt failed."""
SUSPECT = f"status = 'pending' AND lost >= {LOST_ALONE}"
"""Of a delivery that is to be claimed alone."""


installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", Text, nullable=False, comment="encrypted"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("org_id", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="HMAC-SHA256 of the key; the key is kept nowhere"),
    Column("permissions", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("from_environment", Boolean(create_constraint=False), nullable=False),
    Column("integration_id", Uuid, comment="as which integration it publishes, and with which it ends"),
    Index("ix_api_keys_integration", "integration_id", **_partial("integration_id IS NOT NULL")),  # type: ignore[arg-type]
    Index("ux_api_keys_digest", "digest", unique=True),
    Index("ix_api_keys_tenant", "tenant_id", "id"),
)

event_types = Table(
    "event_types",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenants.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
)

integrations = Table(
    "integrations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenants.id"), nullable=False),
    Column("integration_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    Column("disabled_reason", Text, nullable=False, server_default=""),
    Column("observes", Json, nullable=False),
    Column("configuration", Json, nullable=False, comment="without its secrets"),
    Column("secrets", Text, nullable=False, comment="encrypted: secret fields and the signing secret"),
    Column("policy", Json, nullable=False),
    Column("extras", Json, nullable=False, server_default="{}", comment="what other systems say of it, by system"),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Index("ix_integrations_tenant", "tenant_id", "id", **_partial("deleted_at IS NULL")),  # type: ignore[arg-type]
)

observations = Table(
    "observations",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("pattern", Text, primary_key=True),
    Column("integration_id", Uuid, ForeignKey("integrations.id"), primary_key=True),
    Index("ix_observations_integration", "integration_id"),
)

integration_state = Table(
    "integration_state",
    metadata,
    Column("integration_id", Uuid, ForeignKey("integrations.id"), primary_key=True),
    Column("failures_in_row", Integer, nullable=False, server_default="0"),
    Column("failing_since", Instant),
    Column("breaker_failures", Integer, nullable=False, server_default="0"),
    Column("breaker_opened_at", Instant),
    Column("breaker_probes", Integer, nullable=False, server_default="0"),
    Column("parked_until", Instant),
    Column("next_free_at", Instant, comment="of an integration with a rate: when it may be tried again"),
    Column("last_success_at", Instant),
    Column("last_failure_at", Instant),
    Column("last_error", Text, nullable=False, server_default=""),
    postgresql_with=_OVERWRITTEN,
)

slots = Table(
    "slots",
    metadata,
    Column("integration_id", Uuid, ForeignKey("integrations.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("holder", Uuid),
    Column("leased_until", Instant),
    postgresql_with=_OVERWRITTEN,
)

doorbells = Table(
    "doorbells",
    metadata,
    Column("name", Text, primary_key=True, comment="an integration's id, or fan_out"),
    Column("rung_at", Instant),
    postgresql_with=_OVERWRITTEN,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Uuid, nullable=False),
    Column("leased_until", Instant, nullable=False),
    postgresql_with=_OVERWRITTEN,
)

events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False, comment="the exact bytes that were published"),
    Column("attributes", Json),
    Column("origin", Text, nullable=False),
    Column("origin_event_id", Uuid),
    Column("target_id", Uuid),
    Column("created_at", Instant, nullable=False),
    Column("replayed_at", Instant, comment="fan-out goes by this instead of created_at"),
    Column("fan_out_after", Uuid, comment="the last integration served, of an event that has more than one batch"),
    Column("fanned_out_at", Instant),
    Index("ix_events_tenant", "tenant_id", "id"),
    Index("ix_events_type", "tenant_id", "event_type", "id"),
    Index("ix_events_not_fanned_out", "tenant_id", "id", **_partial("fanned_out_at IS NULL")),  # type: ignore[arg-type]
    postgresql_with=_WORKED_ON,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("event_ids", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_idempotency_created", "created_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("due_at", Instant),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("round_start", Integer, nullable=False, server_default="0"),
    Column("lost", Integer, nullable=False, server_default="0"),
    Column("token", Uuid),
    Column("started_at", Instant),
    Column("lease_until", Instant),
    Column("reason", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("discarded_by", Uuid, comment="the job that discarded it, as long as it stays so"),
    Index("ix_deliveries_due", "integration_id", "due_at", "id", **_partial("status = 'pending'")),  # type: ignore[arg-type]
    Index("ix_deliveries_suspect", "integration_id", "due_at", "id", **_partial(SUSPECT)),  # type: ignore[arg-type]
    Index("ix_deliveries_lease", "lease_until", **_partial("status = 'sending'")),  # type: ignore[arg-type]
    Index("ix_deliveries_status", "tenant_id", "status", "id", **_partial(IN_LISTS)),  # type: ignore[arg-type]
    Index("ix_deliveries_listed", "integration_id", "status", "id", **_partial(IN_LISTS)),  # type: ignore[arg-type]
    Index("ix_deliveries_error", "tenant_id", "error", "id", **_partial(FAILED)),  # type: ignore[arg-type]
    Index("ix_deliveries_event", "event_id"),
    Index("ix_deliveries_tenant", "tenant_id", "id"),
    Index("ix_deliveries_integration", "integration_id", "id"),
    postgresql_with=_WORKED_ON,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("delivery_id", Uuid, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("integration_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("duration_ms", Float, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status_code", Integer),
    Column("response_headers", Json, nullable=False),
    Column("response_body", Text, nullable=False),
    Column("late", Boolean(create_constraint=False), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ux_attempts_delivery", "delivery_id", "number", unique=True),
    Index("ix_attempts_integration", "integration_id", "id"),
    Index("ix_attempts_tenant", "tenant_id", "id"),
    postgresql_with=_KEPT,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False, comment="redrive, discard or undo_discard"),
    Column("status", Text, nullable=False),
    Column("filter", Json, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("rate", Float, comment="deliveries a second; none: as fast as they go"),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("cursor", Uuid),
    Column("upto", Uuid, nullable=False, comment="the newest delivery that it takes"),
    Column("next_due_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_jobs_tenant", "tenant_id", "id"),
    Index("ix_jobs_running", "id", **_partial("status = 'running'")),  # type: ignore[arg-type]
)

WHOLE_TENANT = UUID(int=0)
"""Stands in `counts` for the tenant, in the place of an integration."""

count_changes = Table(
    "count_changes",
    metadata,
    # Given by the database in the order of writing: what undoes a change comes after it.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("integration_id", Uuid, comment="none: a change of the tenant's alone"),
    Column("at", Instant, nullable=False),
    Column("published", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("died", Integer, nullable=False),
    Column("backlog", Integer, nullable=False, comment="so many more, or fewer, are pending or sending"),
    Column("letters", Json, nullable=False, comment="so many more, or fewer, are dead, by error"),
    Column("latencies", Json, nullable=False),
    # One fan-out makes deliveries of many integrations: a row for each of them would cost as much as the deliveries.
    Column(
        "waiting", Json, nullable=False, server_default="{}", comment="new deliveries that are pending, by integration"
    ),
    Index("ix_count_changes_tenant", "tenant_id", "integration_id"),
    postgresql_with=_PASSING,
)

counts = Table(
    "counts",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("integration_id", Uuid, primary_key=True, comment="nil: the tenant as a whole"),
    Column("step_seconds", Integer, primary_key=True, autoincrement=False),
    Column("begins_at", Instant, primary_key=True),
    Column("published", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("died", Integer, nullable=False),
    Column("latencies", Json, nullable=False),
    Index("ix_counts_begins", "step_seconds", "begins_at"),
    postgresql_with=_OVERWRITTEN,
)

backlogs = Table(
    "backlogs",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("integration_id", Uuid, primary_key=True),
    Column("deliveries", Integer, nullable=False),
    postgresql_with=_OVERWRITTEN,
)

dead_letter_groups = Table(
    "dead_letter_groups",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("integration_id", Uuid, primary_key=True),
    Column("error", Text, primary_key=True),
    Column("letters", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False, comment="when the newest was buried"),
    postgresql_with=_OVERWRITTEN,
)

processes = Table(
    "processes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, comment="worker or web"),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("in_flight", Integer, nullable=False, comment="attempts under way"),
    postgresql_with=_OVERWRITTEN,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Uuid, primary_key=True, comment="sorts by time"),
    Column("tenant_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_tenant_id", Uuid),
    Column("actor_key_id", Uuid),
    Column("actor_name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("changes", Json, nullable=False, comment="names of fields, and values of harmless ones"),
    Column("created_at", Instant, nullable=False),
    Index("ix_audit_log_tenant", "tenant_id", "id"),
    Index("ix_audit_log_action", "tenant_id", "action", "id"),
    Index("ix_audit_log_type", "tenant_id", "object_type", "id"),
    Index("ix_audit_log_object", "tenant_id", "object_id", "id"),
    Index("ix_audit_log_actor", "tenant_id", "actor_key_id", "id"),
)
