"""The adapter of services that speak Anthropic's Messages API."""
