"""The command `edgeagent`: one file, one subcommand. Nothing heavy is imported before it is needed."""
