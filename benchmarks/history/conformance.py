"""The share of conformance checks that hold."""

from __future__ import annotations

CHECKED = {
    "solvers": ("aid_bio", "ba", "itd_bio", "ttsa"),
    "problems": ("chain", "hard", "quadratic", "ramp"),
}
"""One of each kind: every check compiles a spied problem anew, two minutes for all of them."""


def track_share_passed(kind: str) -> float:
    """Checks passed / checks made."""
    from bilevel_core.check import check

    findings = [finding for name in CHECKED[kind] for finding in check(name)]
    return sum(finding.passed for finding in findings) / len(findings)


track_share_passed.unit = "share"  # type: ignore[attr-defined]
track_share_passed.less_is_better = False  # type: ignore[attr-defined]
track_share_passed.params = list(CHECKED)  # type: ignore[attr-defined]
track_share_passed.param_names = ["kind"]  # type: ignore[attr-defined]
track_share_passed.timeout = 600  # type: ignore[attr-defined]
