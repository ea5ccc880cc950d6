"""Tests of the `model` driver: models that do what they should, and models that do not."""
