"""Celery: the app, its settings and the ringer, and nothing that works."""
