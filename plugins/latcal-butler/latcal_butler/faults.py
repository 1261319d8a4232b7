"""What goes wrong in a repository, as errors of a store that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from latcal.plugin import StoreError

_ROOM, _PERMISSIONS = "make room, then run again", "mend its permissions, then run again"
_WAYS_OUT: Mapping[int | None, str] = MappingProxyType(
    {
        errno.ENOSPC: _ROOM,
        errno.EDQUOT: _ROOM,
        errno.EFBIG: _ROOM,
        errno.EACCES: _PERMISSIONS,
        errno.EPERM: _PERMISSIONS,
        errno.EROFS: _PERMISSIONS,
        errno.ENOENT: "it is gone: restore it from a copy, or make it again",
    }
)
"""What to do about an error of the operating system, by its number."""


@contextmanager
def told(repo: str) -> Iterator[None]:
    """Turn what the Butler, its database and the operating system raise into a `StoreError` that names the repository."""
    from lsst.daf.butler import ButlerUserError, FileIntegrityError, InconsistentUniverseError
    from lsst.daf.butler.registry import RegistryError
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except StoreError:
        raise
    except DBAPIError as error:
        reason = _first_line(error.orig)
        raise StoreError(f"{repo}: its registry says: {reason} ({_way_out(reason)}, then run again)") from error
    except SQLAlchemyError as error:
        raise StoreError(f"{repo}: its registry cannot be used: {_first_line(error)}") from error
    except (RegistryError, ButlerUserError, InconsistentUniverseError) as error:
        raise StoreError(f"{repo}: {_first_line(error)}") from error
    except FileIntegrityError as error:
        raise StoreError(f"{repo}: {_first_line(error)} (a file is damaged: restore it from a copy)") from error
    except OSError as error:
        raise _of_system(repo, error) from error
    except (RuntimeError, ValueError) as error:  # what a formatter raised is its cause
        cause = error.__cause__
        if isinstance(cause, StoreError):
            raise cause from error
        if isinstance(cause, OSError):
            raise _of_system(repo, cause) from error
        if isinstance(cause, ValueError):
            raise StoreError(f"{repo}: {_first_line(error)} {_first_line(cause)} (restore it from a copy)") from error
        raise


def _of_system(repo: str, error: OSError) -> StoreError:
    reason = error.strerror or _first_line(error)
    way_out = _WAYS_OUT.get(error.errno, "mend it, then run again")
    return StoreError(f"{error.filename or repo}: {reason} ({way_out})")


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _way_out(reason: str) -> str:
    words = reason.lower()
    if "connect" in words or "closed" in words or "terminat" in words:
        return "see that the database server runs and can be reached"
    if "malformed" in words or "not a database" in words:
        return "restore it from a copy"
    if "locked" in words:
        return "wait for the other process to end"
    return "make room or mend its permissions"
