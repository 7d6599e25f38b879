"""Whether a challenger may take over: gates, measured latency, the decision and its record."""
