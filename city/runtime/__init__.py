"""What runs one service or the whole city: settings, secrets, processes, logs, signs of life."""
