"""What Alembic runs: the missing migrations, on the connection that is already open."""

from alembic import context

from anymask.engine.store.tables import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite too takes a half-done migration back
)
with context.begin_transaction():
    context.run_migrations()
