"""The Alembic environment: our connection, our transaction, no logging set up."""

from alembic import context

from banditroute.store.schema import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.alembic_version.name,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
