"""The rules. Each checks one overlay and yields what is wrong, as sentences."""

RULES = []


def rule(check):
    """Its name is the sentence that is printed."""
    RULES.append(check)
    return check


from . import containers, jobs, network, probes, scaling, secrets, settings, shutdown, targets  # noqa: E402, F401
