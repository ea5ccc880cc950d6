"""The rows, one file for a topic; all are loaded by `tests.bench.table.rows`."""
