"""Checks of the rendered manifests. `k8s/check` runs them."""
