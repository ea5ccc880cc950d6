"""Built-in models, small and honest: fitted where they run, with no promise that is not counted.

They take numpy, so the agent never imports them: they run in the process of the driver `model`.
"""
