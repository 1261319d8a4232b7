"""How many exposures may fail, as the page's script counts them."""

from __future__ import annotations


def exposures_at_which_it_fails(exposures: int) -> int:
    """Count as the page does: 3 for 3 exposures, 11 for 20.

    The script takes half of one more than there are, since what it counts has an entry that is not an exposure. So an odd
    number of exposures may fail by one more than a strict majority would allow. A count is never more than there are:
    a single exposure, which the script could not refuse, is refused.

    References
    ----------
    verification.md 5.2: ``floor(L / 2) + 1``, with ``L`` the number of exposures and one.
    """
    return min((exposures + 1) // 2 + 1, exposures)
