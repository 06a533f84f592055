"""The command line. `commands` holds its grammar; each command's work is a module of its own, imported when it is
called."""
