"""OwnTracks, phones and trackers."""
