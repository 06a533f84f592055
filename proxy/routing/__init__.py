"""Which target next: strategies, retries, fallbacks, cooldown, limits. It decides; `proxy.stream` does."""
