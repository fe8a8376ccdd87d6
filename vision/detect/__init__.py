"""The detector of abandoned objects: takes pictures in order of time, returns alarms and removals."""
