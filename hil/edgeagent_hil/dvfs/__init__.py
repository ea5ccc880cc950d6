"""The rig of governors of frequency: boards, workloads, baselines and the limit, in virtual time."""
