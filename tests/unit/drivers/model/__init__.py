"""What the `model` driver is made of, without any process."""
