"""``python -m edgeagent``: the same as the command `edgeagent`."""

from edgeagent.cli.main import main

if __name__ == "__main__":
    main()
