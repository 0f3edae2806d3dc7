"""Where state lives: the log, its index, counters, budgets and kept answers."""
