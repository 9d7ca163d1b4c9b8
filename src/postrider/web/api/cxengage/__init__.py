"""CxEngage's API of a tenant's integrations, in its words: `/v1/tenants/{tenantId}/integrations`."""
