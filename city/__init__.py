"""The city as configured: inventory, time zone, dumping windows, the command line and the supervisor."""
