"""What machines are governed by today: the rules of Linux, each with its source, as governors of the SDK.

Rules and default tunables are those of Linux 6.x as its documentation and source state them; README.md
beside this file has them one by one, and what a simulation cannot know of a scheduler.
"""
