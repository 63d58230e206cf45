"""The actions of the GitHub workflows that pex writes, each by the commit of a release."""

from __future__ import annotations

import re

ACTIONS = {
    "actions/cache": ("5a3ec84eff668545956fd18022155c47e93e2684", "v4.2.3"),
    "actions/checkout": ("11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2"),
    "actions/download-artifact": ("d3f86a106a0bac45b974a628896c90dbdf5c8093", "v4.3.0"),
    "actions/setup-python": ("a26af69be951a213d495a4c3e4e4022e16d87065", "v5.6.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
}
"""By action, a commit and the release that it is."""

_USES = re.compile(r"^( *- uses: )([\w.-]+/[\w.-]+)$", re.MULTILINE)


def by_commit(action: str) -> str:
    """What a step's `uses` says.

    A tag can be moved to other code by whoever controls the action's repository; a commit cannot.

    Args:
        action: one of `ACTIONS`.

    Example:
        >>> by_commit("actions/checkout")
        'actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683  # v4.2.2'
    """
    commit, release = ACTIONS[action]
    return f"{action}@{commit}  # {release}"


def pinned(workflow: str) -> str:
    """A workflow whose actions are named without a version, with their commits.

    Example:
        >>> print(pinned("- uses: actions/cache"))
        - uses: actions/cache@5a3ec84eff668545956fd18022155c47e93e2684  # v4.2.3
    """
    return _USES.sub(lambda match: match[1] + by_commit(match[2]), workflow)
