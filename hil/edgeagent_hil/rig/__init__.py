"""The rig: a sensor node on an emulated board, the world around it, and what can go wrong with both.

Nothing here but `drivers` needs labgrid: the machine, its stimulus and the faults serve the command line too.
"""
