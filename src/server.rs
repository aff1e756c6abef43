//! The HTTP door: webhooks, the API, health.
