"""A plan is carried out in two phases: what falls, falls first; what rises, rises into the room that is
proved.

Nodes take a new cap at different moments, and some not at all. A cap is raised only once the falls that
make room for it have been confirmed, so no moment between two plans passes a limit.
"""

from __future__ import annotations

import numpy as np

from edgeagent_central.optimize.power.plan import Plan
from edgeagent_central.optimize.power.site import Site
from edgeagent_central.optimize.power.tree import Array, Flags


def falls(held_w: Array, planned_w: Array) -> Flags:
    """Whose cap falls, and is told at once; shape (n,)."""
    return planned_w < held_w


def rises(site: Site, plan: Plan, may_draw_w: Array, answers: Flags) -> Array:
    """The caps of the second phase; shape (n,).

    Args:
        may_draw_w: shape (n,), what each leaf may draw now: its confirmed cap, or its bound.
        answers: shape (n,), who has confirmed the first phase, or had no part in it.
    """
    load_w, diverse = site.tree.load_w, site.diverse
    rise_w = np.where(answers, np.maximum(plan.cap_w - may_draw_w, 0.0), 0.0)
    counted = answers & (plan.drawn_w < plan.cap_w)
    used_w = np.where(diverse, load_w(np.where(counted, plan.drawn_w, may_draw_w)), load_w(may_draw_w))
    asked_w = np.where(diverse, load_w(np.where(counted, 0.0, rise_w)), load_w(rise_w))
    share = np.clip((plan.limit_w - used_w) / np.maximum(asked_w, 1e-9), 0.0, 1.0)
    share = site.tree.lowest_above(share)
    raised_w: Array = may_draw_w + share[site.tree.domain] * rise_w
    return raised_w
