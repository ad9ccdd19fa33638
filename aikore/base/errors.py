"""The errors AiKore raises on purpose. Owns their stable codes and nothing else.

Each error has a ``code`` that programs may rely on, an HTTP ``status`` and a message that says what to do next.
``aikore.base.problems`` maps them once to RFC 9457 ``application/problem+json``.
"""

from __future__ import annotations


class AiKoreError(Exception):
    """Base of every error a user may see. The message says what happened and what to do next."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class InvalidError(AiKoreError):
    """The request asks for something that can never work as given."""

    code = "invalid"
    status = 422


class InvalidNameError(InvalidError):
    code = "invalid_name"


class InvalidPathError(InvalidError):
    code = "invalid_path"


class InvalidRangeError(InvalidError):
    """A part of a file was asked for that is not there (RFC 9110, 15.5.17)."""

    code = "invalid_range"
    status = 416


class InvalidBlueprintError(InvalidError):
    code = "invalid_blueprint"


class UnknownGpuError(InvalidError):
    code = "unknown_gpu"


class NotFoundError(AiKoreError):
    code = "not_found"
    status = 404


class UnknownBlueprintError(NotFoundError):
    """A blueprint named in a request does not exist."""

    code = "unknown_blueprint"
    status = 422


class ConflictError(AiKoreError):
    """The request is fine by itself but clashes with what exists or runs."""

    code = "conflict"
    status = 409


class NameTakenError(ConflictError):
    code = "name_taken"


class PortInUseError(ConflictError):
    code = "port_in_use"


class NotStoppedError(ConflictError):
    """The instance must be stopped first."""

    code = "not_stopped"


class GpuGoneError(ConflictError):
    """A GPU that was chosen for an instance is not there or does not answer."""

    code = "gpu_gone"


class BrokenInstanceError(ConflictError):
    """What an instance needs on the disk or in the database is not there or is not what it must be."""

    code = "instance_broken"


class DesktopMissingError(ConflictError):
    """This machine lacks a program that desktops need."""

    code = "desktop_missing"


class MountedError(ConflictError):
    """Another file system is mounted inside what is to be deleted, moved or copied."""

    code = "mounted_inside"


class ReadOnlyError(ConflictError):
    code = "read_only"


class StaleError(AiKoreError):
    """The version the client edited is no longer the newest."""

    code = "stale"
    status = 412


class ForbiddenError(AiKoreError):
    code = "forbidden"
    status = 403


class AccessDeniedError(ForbiddenError):
    """Whoever asks is known, and may not."""

    code = "not_allowed"


class WrongCredentialError(AiKoreError):
    code = "wrong_credential"
    status = 401


class SlowDownError(AiKoreError):
    """Too many attempts; ``retry_after`` seconds must pass."""

    code = "slow_down"
    status = 429


class ProxyError(AiKoreError):
    """NGINX refused or did not take over a configuration; the old one still serves."""

    code = "proxy_failed"
    status = 503


class NotReadyError(AiKoreError):
    """What is asked for comes in a moment."""

    code = "not_ready"
    status = 503


class NginxMissingError(ProxyError):
    code = "nginx_missing"


class StorageError(AiKoreError):
    """The disk refused a write (full, read-only, no permission). Nothing was half-written."""

    code = "storage_failed"
    status = 507


class StartupError(AiKoreError):
    """AiKore cannot start on this home; nothing was changed."""

    code = "startup_failed"
