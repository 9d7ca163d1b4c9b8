"""ERA's `integration_points`: channels of integration, each of them one of our integrations."""
