"""The URIs of resources that take an argument."""

TASK = "seedance://tasks/"
"""A task id or a request id follows."""
MODEL = "seedance://models/"
"""The name of a model follows."""
