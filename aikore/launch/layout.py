"""Names of what AiKore keeps in an instance's folder, and which of it belongs to what. The one place that knows them.

The keeper, a program of its own, imports it too (:mod:`aikore.launch.keeper`): it stands on nothing.
"""

from __future__ import annotations

SCRIPT_NAME = "launch.sh"
ENVIRONMENT_NAME = "env"
"""Where scripts install; environments hold absolute paths."""
LOGS_NAME = "logs"
LOG_NAME = "output.log"
"""The newest part of the log, in the folder of logs; older ones are named by the offset at which they begin."""
INDEX_NAME = "output.idx"
LIVE_NAME = "output.live"
RECORD_NAME = "run.json"
LOCK_NAME = "run.lock"
STAGE_NAME = "stage"
DESKTOP_NAME = "desktop"
"""The desktop's files: browser profile, cookie of the display, log of its server."""
CARD_NAME = ".aikore-instance.json"
FILES_TRASH = ".aikore-trash"
"""Folder with the files that were deleted from this one; it goes where the instance goes."""

RUN_FILES = (RECORD_NAME, LOCK_NAME, STAGE_NAME)
"""What one run writes, beside its log."""

PLAIN = (*RUN_FILES, *(f"{LOGS_NAME}/{name}" for name in (LOG_NAME, INDEX_NAME, LIVE_NAME)))
"""What must be a plain file where it is there, for a run to write to it."""

NOT_COPIED = (*RUN_FILES, ENVIRONMENT_NAME, LOGS_NAME, DESKTOP_NAME, FILES_TRASH, CARD_NAME)
"""What belongs to one installation or one run; a copy makes its own."""

AIKORES_OWN = frozenset({*RUN_FILES, SCRIPT_NAME, LOGS_NAME, FILES_TRASH, CARD_NAME})
"""What AiKore and its keepers rely on: shown and read, but not changed as an ordinary file."""

HIDDEN = frozenset({FILES_TRASH, CARD_NAME})
"""What is not listed among an instance's files."""
