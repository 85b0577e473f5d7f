from checks.rules import containers
from checks.tests import Broken


class Containers(Broken):
    def test_one_without_requests(self):
        del self.container()["resources"]["requests"]["cpu"]
        self.assert_found(containers.every_container_asks_for_cpu_and_memory_and_has_a_limit_of_memory, "no requests of cpu")

    def test_one_without_a_limit_of_memory(self):
        del self.container("migration")["resources"]["limits"]
        self.assert_found(containers.every_container_asks_for_cpu_and_memory_and_has_a_limit_of_memory, "no limits of memory")

    def test_one_that_may_run_as_root(self):
        self.pod("reconciler")["securityContext"]["runAsUser"] = 0
        self.assert_found(containers.every_container_is_locked_down, "runAsUser is 0")

    def test_one_that_does_not_say_who_it_is(self):
        del self.pod()["securityContext"]
        self.assert_found(containers.every_container_is_locked_down, "runAsNonRoot is None")

    def test_one_that_may_write_its_files(self):
        self.container()["securityContext"]["readOnlyRootFilesystem"] = False
        self.assert_found(containers.every_container_is_locked_down, "readOnlyRootFilesystem is False")

    def test_one_with_a_capability(self):
        self.container()["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
        self.assert_found(containers.every_container_is_locked_down, "capabilities is")

    def test_one_that_is_root_against_its_pod(self):
        self.container()["securityContext"]["runAsUser"] = 0
        self.assert_found(containers.every_container_is_locked_down, "overrules")

    def test_an_init_container_that_nobody_locked_down(self):
        self.pod()["initContainers"] = [{"name": "first", "image": "first:1"}]
        self.assert_found(containers.every_container_is_locked_down, "readOnlyRootFilesystem is None")

    def test_an_image_that_is_the_latest(self):
        self.container()["image"] = "fluxgate/ingest-api:latest"
        self.assert_found(containers.every_image_has_a_tag_that_stays, "has no tag of its own")

    def test_an_image_without_a_tag_on_a_host_with_a_port(self):
        self.container()["image"] = "localhost:5000/ingest-api"
        self.assert_found(containers.every_image_has_a_tag_that_stays, "has no tag of its own")

    def test_an_image_that_is_always_pulled(self):
        self.container()["imagePullPolicy"] = "Always"
        self.assert_found(containers.every_image_has_a_tag_that_stays, "imagePullPolicy is Always")

    def test_a_pod_with_a_token(self):
        del self.pod("reconciler")["automountServiceAccountToken"]
        self.assert_found(containers.no_pod_carries_a_token_or_the_addresses_of_services, "a token is mounted")

    def test_a_pod_with_a_stranger_s_account(self):
        self.remove("ServiceAccount", "ingest-api")
        self.assert_found(containers.no_pod_carries_a_token_or_the_addresses_of_services, "no ServiceAccount")

    def test_a_pod_with_service_links(self):
        del self.pod()["enableServiceLinks"]
        self.assert_found(containers.no_pod_carries_a_token_or_the_addresses_of_services, "enableServiceLinks")

    def test_a_namespace_that_takes_every_pod(self):
        self.entry("Namespace", "fluxgate")["metadata"]["labels"].clear()
        self.assert_found(containers.the_namespace_refuses_pods_that_are_not_locked_down, "pod security is None")

    def test_an_object_in_another_namespace(self):
        self.entry("Service", "ingest-api")["metadata"]["namespace"] = "default"
        self.assert_found(containers.everything_is_in_the_namespace_fluxgate, "Service ingest-api is elsewhere")
