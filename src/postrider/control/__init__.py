"""What people manage: integrations, tenants, keys, event types."""
