# Installs the tools of the checks into .local/k8s, in fixed versions. Go verifies the modules by its checksum database.
# shellcheck shell=bash

# The last version that Go 1.19 of Debian 12 compiles.
readonly kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.0.3
readonly keda=github.com/kedacore/keda/v2@v2.16.1
readonly prometheus_operator=github.com/prometheus-operator/prometheus-operator@v0.85.0
readonly tools=$repo/.local/k8s

install_tools() {
  local packages=()
  # After a change of the versions, all tools are installed again.
  if ! cmp -s "$k8s/checks/tools.sh" "$tools/installed.sh" || ! cmp -s "$k8s/checks/requirements.txt" "$tools/installed.txt"; then
    say "installing the tools of k8s/check"
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    command -v go >/dev/null || packages+=(golang-go ca-certificates)
    ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
    install_schemas >&2
    install_from_go
    cp "$k8s/checks/tools.sh" "$tools/installed.sh"
    cp "$k8s/checks/requirements.txt" "$tools/installed.txt"
  fi
}

install_schemas() {
  python3 -m venv --clear "$tools/python"
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$k8s/checks/requirements.txt"
}

# Sources and build results are removed afterwards.
install_from_go() (
  export GOPATH=$tools/go GOCACHE=$tools/go/cache GOBIN=$tools GOFLAGS=-modcacherw GOTOOLCHAIN=local CGO_ENABLED=0
  trap 'rm -rf "$tools/go"' EXIT
  mkdir -p "$tools/definitions"
  cd "$tools"
  definitions "$keda" config/crd/bases keda.sh_scaledobjects keda.sh_triggerauthentications
  definitions "$prometheus_operator" example/prometheus-operator-crd monitoring.coreos.com_{servicemonitors,prometheusrules}
  go install "$kustomize" 2>install.log || fail "kustomize cannot be built: $(<install.log)"
)

# definitions <module@version> <folder in it> <resource...>
definitions() {
  local folder resource
  folder=$(go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  for resource in "${@:3}"; do
    install -m 644 "$folder/$2/$resource.yaml" "$tools/definitions/"
  done
}
