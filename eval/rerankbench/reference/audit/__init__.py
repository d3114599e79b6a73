"""The paper's numbers checked against each other, against published figures, and against the paper's own text.

A difference that rounding explains is never a finding. Knows no run of ours.
"""

from __future__ import annotations

from rerankbench.reference.audit.agreement import baselines, repeated, two_tables
from rerankbench.reference.audit.arithmetic import averages, differences, sums
from rerankbench.reference.audit.claims import text_against_tables
from rerankbench.reference.audit.exchange import exchanged
from rerankbench.reference.audit.findings import Check, Finding, Kind, Outcome, Report, Sure, report
from rerankbench.reference.audit.known import Known, Text, load_known, load_text
from rerankbench.reference.audit.order import peers, published
from rerankbench.reference.paper import PaperNumbers, load

__all__ = ["Check", "Finding", "Kind", "Known", "Outcome", "Report", "Sure", "Text", "audit", "audit_paper"]


def audit_paper() -> Report:
    """The audit of the paper that comes with the package."""
    return audit(load(), load_known(), load_text())


def audit(paper: PaperNumbers, known: Known, text: Text) -> Report:
    """Everything that is checked, each kind once.

    Raises:
        DataError: the text speaks of a cell that the paper does not have.
    """
    own_order, values = published(paper, known)
    outcomes = (
        averages(paper, known),
        sums(paper, known),
        differences(paper, known),
        two_tables(paper, known),
        repeated(paper),
        baselines(paper, known),
        values,
        _joined(own_order, peers(paper, known), exchanged(paper, known)),
        text_against_tables(paper, text),
    )
    return report(outcomes, paper.tables)


def _joined(*outcomes: Outcome) -> Outcome:
    """Several ways to look at one kind."""
    checks = [o.check for o in outcomes]
    joined = Check(
        checks[0].kind,
        sum(c.right for c in checks),
        sum(c.rounding for c in checks),
        sum(c.wrong for c in checks),
        sum(c.undecided for c in checks),
        tuple(n for c in checks for n in c.notes),
    )
    return Outcome(joined, tuple(f for o in outcomes for f in o.findings))
