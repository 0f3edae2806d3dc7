"""Where state lives: the log, its index, counters and budgets."""
