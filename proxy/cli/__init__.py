"""Command line. `commands` holds the grammar. Each command's work is a module, imported when the command runs."""
