"""The doors for programs and people: the JSON API and the dashboard."""
