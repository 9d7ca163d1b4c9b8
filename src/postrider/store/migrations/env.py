"""Alembic runs this; the connection comes from `store.migrate`, inside its transaction."""

from alembic import context

from postrider.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
