"""Which target next: strategies, retries, fallbacks, cooldown, limits. It decides; `proxy.streaming.driver` does."""
