from checks.rules import containers
from checks.tests import Broken


class Containers(Broken):
    def test_a_container_without_requests(self):
        del self.container()["resources"]["requests"]["cpu"]
        self.assert_found(containers.every_container_has_requests_and_a_memory_limit, "no cpu in requests")

    def test_a_container_without_a_memory_limit(self):
        del self.container("migration")["resources"]["limits"]
        self.assert_found(containers.every_container_has_requests_and_a_memory_limit, "no memory in limits")

    def test_a_container_that_runs_as_root(self):
        self.pod("reconciler")["securityContext"]["runAsUser"] = 0
        self.assert_found(containers.every_container_is_locked_down, "runAsUser is 0")

    def test_a_pod_without_a_security_context(self):
        del self.pod()["securityContext"]
        self.assert_found(containers.every_container_is_locked_down, "runAsNonRoot is None")

    def test_a_container_with_a_writable_file_system(self):
        self.container()["securityContext"]["readOnlyRootFilesystem"] = False
        self.assert_found(containers.every_container_is_locked_down, "readOnlyRootFilesystem is False")

    def test_a_container_with_a_capability(self):
        self.container()["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
        self.assert_found(containers.every_container_is_locked_down, "capabilities is")

    def test_a_container_that_overrides_the_user_of_its_pod(self):
        self.container()["securityContext"]["runAsUser"] = 0
        self.assert_found(containers.every_container_is_locked_down, "overrides")

    def test_an_init_container_without_a_security_context(self):
        self.pod()["initContainers"] = [{"name": "first", "image": "first:1"}]
        self.assert_found(containers.every_container_is_locked_down, "readOnlyRootFilesystem is None")

    def test_an_image_with_the_tag_latest(self):
        self.container()["image"] = "fluxgate/ingest-api:latest"
        self.assert_found(containers.every_image_has_a_fixed_tag, "has no fixed tag")

    def test_an_image_without_a_tag_on_a_host_with_a_port(self):
        self.container()["image"] = "localhost:5000/ingest-api"
        self.assert_found(containers.every_image_has_a_fixed_tag, "has no fixed tag")

    def test_an_image_that_is_always_pulled(self):
        self.container()["imagePullPolicy"] = "Always"
        self.assert_found(containers.every_image_has_a_fixed_tag, "imagePullPolicy is Always")

    def test_a_pod_with_a_token(self):
        del self.pod("reconciler")["automountServiceAccountToken"]
        self.assert_found(containers.no_pod_gets_a_token_or_service_links, "a token is mounted")

    def test_a_pod_without_a_service_account(self):
        self.remove("ServiceAccount", "ingest-api")
        self.assert_found(containers.no_pod_gets_a_token_or_service_links, "no ServiceAccount")

    def test_a_pod_with_service_links(self):
        del self.pod()["enableServiceLinks"]
        self.assert_found(containers.no_pod_gets_a_token_or_service_links, "enableServiceLinks")

    def test_a_namespace_without_pod_security(self):
        self.entry("Namespace", "fluxgate")["metadata"]["labels"].clear()
        self.assert_found(containers.the_namespace_enforces_pod_security, "enforces pod security None")

    def test_an_object_in_another_namespace(self):
        self.entry("Service", "ingest-api")["metadata"]["namespace"] = "default"
        self.assert_found(containers.everything_is_in_the_namespace_fluxgate, "Service ingest-api is in another namespace")
