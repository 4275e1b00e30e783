"""One module for each subcommand (or family of them)."""
