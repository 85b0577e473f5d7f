"""The rules. Each looks at one overlay and says, in words, what is wrong with it."""

RULES = []


def rule(check):
    """Its name is the sentence that is printed."""
    RULES.append(check)
    return check


from . import containers, jobs, network, probes, scaling, secrets, settings, shutdown, targets  # noqa: E402, F401
