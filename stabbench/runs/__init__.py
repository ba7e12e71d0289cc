"""What came of runs: records, the store that keeps them, the leases that guard them."""

from stabbench.runs.leases import Lease
from stabbench.runs.notes import ErrorNote
from stabbench.runs.record import Arrays, Checkpoint, Evaluation, RunRecord, Score
from stabbench.runs.store import Store

__all__ = ["Arrays", "Checkpoint", "ErrorNote", "Evaluation", "Lease", "RunRecord", "Score", "Store"]
