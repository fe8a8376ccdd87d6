"""Planning of collection routes: what a day asks for, routes that meet it, and a check that they do.

inventory, overflow probabilities -> `day` -> `problem` -> `planner` (`solver`, `schedule`, in `worker`'s process)
-> `checker` -> `plans` (last good plan) -> dispatcher
"""
