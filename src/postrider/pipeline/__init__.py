"""The life of an event, one verb a file."""
