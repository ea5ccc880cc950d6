"""The governor `edge`: it learns a machine while it runs, and takes the clocks that cost least.

Pure functions and small learners of the standard library alone, without clock, file or device of their own:
what happened comes in as an `Observation`, what shall happen goes out as a `Decision`. README.md beside this
file has the method, its variables and its sources.
"""
