"""Call a plugin: the one place where its errors are caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from latcal.errors import LatcalError, PluginError


def call(distribution: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plugin's function; what is not a `LatcalError` becomes a `PluginError` from its distribution.

    What the function yields is drained here, inside the call, into a tuple: an error of a generator is caught too.

    Raises
    ------
    PluginError
        With the original error as its cause.
    """
    try:
        result = function(*args, **kwargs)
        return tuple(result) if isinstance(result, Iterator) else result
    except LatcalError:
        raise
    except Exception as error:  # the one place where a plugin's errors are caught
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise PluginError(f"{distribution}: {getattr(function, '__name__', function)} raised {what}") from error
