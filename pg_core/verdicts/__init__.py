"""Which of two groups of seeds is better, how sure that is, and how many further seeds would settle it.

Pure functions on arrays, with NumPy and SciPy, which is imported when it is first used; no store, no TensorFlow.
"""

from pg_core.verdicts.comparing import ALPHA, Row, Verdict, ablation, compare, compare_all, compare_pairs
from pg_core.verdicts.interquartile import interquartile_mean
from pg_core.verdicts.outcomes import MEASURES, Array, Measure, Outcomes, VerdictError
from pg_core.verdicts.summary import Summary, summarise

__all__ = [
    "ALPHA", "MEASURES", "Array", "Measure", "Outcomes", "Row", "Summary", "Verdict", "VerdictError", "ablation",
    "compare", "compare_all", "compare_pairs", "interquartile_mean", "summarise",
]  # fmt: skip
