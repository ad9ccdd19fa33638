"""The database: engine, sessions, migrations. Rows belong to the rooms; this one knows only their base class."""
