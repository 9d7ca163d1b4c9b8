"""What this process counts about its web room, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter("postrider_http_requests", "Requests answered.", ["method", "route", "status"])
PUBLISHED = Counter("postrider_events_published", "Events that were accepted and stored.")
PUBLISH_SECONDS = Histogram(
    "postrider_publish_seconds",
    "Seconds from a publish request's body being read to its commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
