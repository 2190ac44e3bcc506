"""Reads tables: CSV and TSV, JSON lines, Parquet, a folder of images -> a stream of rows.

table.py      `open_table`: what every format shares: ids, windows, bad rows, warnings
clean.py      the one gate that every value passes on its way in
templates.py  image columns derived from a path template such as 'images/{id}.jpg'
_text.py      encodings, gzip, lines
_csv.py, _jsonl.py, _parquet.py, _folder.py: one format each
"""

from embclust.rows._base import Rejected, Row
from embclust.rows.clean import clean_fields, row_hash
from embclust.rows.table import Table, open_table, sample_table

__all__ = ["Rejected", "Row", "Table", "clean_fields", "open_table", "row_hash", "sample_table"]
