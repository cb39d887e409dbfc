"""Who may do what where several people share a workspace, how much of it, and the list of it.

Every action that changes something goes through `doing`, whether a screen, an address or a program
asked for it: it looks at the table in `policy`, counts the person's limits and writes the audit
list. Nothing here knows of a screen, nor of how somebody proved who they are.
"""

from drpo.access.desk import doing
from drpo.access.limits import check_runs, check_upload
from drpo.access.people import OWNER, Person, everybody, give_role, may_sign_in, person_named
from drpo.access.policy import ACTIONS, POLICY, ROLES, Action, Role, see_that_may

__all__ = [
    "ACTIONS",
    "OWNER",
    "POLICY",
    "ROLES",
    "Action",
    "Person",
    "Role",
    "check_runs",
    "check_upload",
    "doing",
    "everybody",
    "give_role",
    "may_sign_in",
    "person_named",
    "see_that_may",
]
