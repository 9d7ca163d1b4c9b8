"""Event delivery dispatcher."""
