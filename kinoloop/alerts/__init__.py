"""Alerts: what was seen or heard at some moment, told to a webhook or as an event, once."""
