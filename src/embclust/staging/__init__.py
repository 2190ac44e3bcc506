"""One index run's table, staged beside the ledger, and what is to be done with each row.

The table is read once into temporary SQLite tables. What is unchanged, updated, missing or still
to be done is then one comparison with the ledger per field, in SQL, so that memory stays flat and
an unchanged table costs no more than reading it. Every row has exactly one verdict per field:

    work       to be fetched and encoded; what is left of it at the end is pending
    indexed    encoded in this run
    reused     the vector was in the ledger under the same content
    updated    only other columns changed
    unchanged  nothing changed
    missing    the cell is empty
    failed     failed now, or before and not taken up again

`run.py` is the way in; behind it `_reading.py` takes the table in, `_comparing.py` gives the
verdicts, `_jobs.py` lists what is to be done, `_finishing.py` commits what became of it, and
`_outcome.py` counts.
"""

from embclust.staging.records import Cell, Done, Job, Target, text_key
from embclust.staging.run import Staging

__all__ = ["Cell", "Done", "Job", "Staging", "Target", "text_key"]
