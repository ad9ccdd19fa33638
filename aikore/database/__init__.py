"""The databases: how they are opened, used and migrated. Rows belong to the rooms; this one knows only their bases."""
