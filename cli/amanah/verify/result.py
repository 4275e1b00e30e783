"""What a verification says: findings, figures, and how much each check looked at."""

from dataclasses import dataclass, field
from typing import Any

LOSS = frozenset({"acknowledged_lost", "committed_lost", "event_lost"})
DOUBLE = frozenset({"filed_twice", "breached_twice", "told_twice"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept, where."""

    check: str
    detail: str


@dataclass(slots=True)
class Checked:
    """One check: what it promises, how many things it looked at (a check that saw nothing has proved nothing), what it
    found."""

    name: str
    promise: str
    examined: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """Figures count distinct things. `breaches`: {source_id, stage, due_at, breached_at} of each that stands."""

    checks: list[Checked] = field(default_factory=list)
    filed: int = 0
    routed: int = 0
    met: int = 0
    open: int = 0
    withdrawn: int = 0
    notices: int = 0
    redelivered: int = 0
    """Records that lie in Kafka more than once under one id, as at-least-once allows; consumers apply them once."""
    breaches: list[dict[str, Any]] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        return [finding for check in self.checks for finding in check.findings]

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def breached(self) -> int:
        return len(self.breaches)

    @property
    def lost(self) -> int:
        return sum(finding.check in LOSS for finding in self.findings)

    @property
    def duplicated(self) -> int:
        return sum(finding.check in DOUBLE for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "ok": self.ok,
            "filed": self.filed,
            "routed": self.routed,
            "met": self.met,
            "breached": self.breached,
            "open": self.open,
            "withdrawn": self.withdrawn,
            "notices": self.notices,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "redelivered": self.redelivered,
            "breaches": self.breaches,
            "checks": [
                {"check": c.name, "promise": c.promise, "examined": c.examined, "found": len(c.findings)}
                for c in self.checks
            ],
            "findings": [{"check": finding.check, "detail": finding.detail} for finding in self.findings],
        }
