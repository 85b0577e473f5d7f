from checks.rules import scaling
from checks.tests import Broken


class LocalScaling(Broken):
    overlay_name = "local"

    def test_an_autoscaler_that_undoes_kubectl_scale(self):
        self.overlay.objects.append({"kind": "ScaledObject", "metadata": {"name": "inventory-worker"}})
        self.assert_found(scaling.the_local_overlay_leaves_scaling_to_people, "would undo kubectl scale")

    def test_a_deployment_of_nobody_knows_how_many(self):
        del self.entry("Deployment", "ingest-api")["spec"]["replicas"]
        self.assert_found(scaling.the_local_overlay_leaves_scaling_to_people, "nobody says how many")

    def test_requests_of_more_than_two_cpus(self):
        self.container("inventory-worker")["resources"]["requests"]["cpu"] = "1"
        self.assert_found(scaling.the_local_overlay_fits_on_two_cpus, "asks for 5.85 CPUs")


class ProductionScaling(Broken):
    def test_a_number_that_an_apply_would_reset(self):
        self.entry("Deployment", "inventory-worker")["spec"]["replicas"] = 1
        self.assert_found(scaling.autoscaled_deployments_have_no_number_of_their_own, "inventory-worker: an apply would undo")

    def test_an_autoscaler_of_nothing(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["scaleTargetRef"]["name"] = "api"
        self.assert_found(scaling.autoscaled_deployments_have_no_number_of_their_own, "there is no Deployment api")

    def test_an_api_without_autoscaler(self):
        self.remove("HorizontalPodAutoscaler", "ingest-api")
        self.assert_found(scaling.production_scales_the_api_on_its_cpu, "there is no HorizontalPodAutoscaler")

    def test_an_api_of_one_copy(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["minReplicas"] = 1
        self.assert_found(scaling.production_scales_the_api_on_its_cpu, "1 to 20 copies")

    def test_an_api_that_scales_too_late(self):
        metric = self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["metrics"][0]
        metric["resource"]["target"]["averageUtilization"] = 90
        self.assert_found(scaling.production_scales_the_api_on_its_cpu, "at 70 %")

    def test_an_api_that_scales_down_between_two_waves(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 30
        self.assert_found(scaling.production_scales_the_api_on_its_cpu, "300 s")

    def test_workers_without_keda(self):
        self.remove("ScaledObject", "inventory-worker")
        self.assert_found(scaling.production_scales_the_workers_on_their_lag, "is not scaled on the lag")

    def test_workers_with_another_lag(self):
        self.entry("ScaledObject", "inventory-worker")["spec"]["triggers"][0]["metadata"]["lagThreshold"] = "100"
        self.assert_found(scaling.production_scales_the_workers_on_their_lag, "a lag of 100")

    def test_more_workers_than_partitions(self):
        self.settings("migration")["KAFKA_PARTITIONS"] = "6"
        self.assert_found(scaling.production_scales_the_workers_on_their_lag, "more copies than the 6 partitions")

    def test_more_connections_than_postgresql_allows(self):
        del self.settings("ingest-api")["READ_DATABASE_CONNECTIONS"]
        self.assert_found(scaling.production_stays_within_the_connections_that_postgresql_allows, "up to 168 connections")

    def test_workers_with_more_writers_than_postgresql_takes(self):
        self.settings("inventory-worker")["BATCH_WRITERS"] = "8"
        self.assert_found(scaling.production_stays_within_the_connections_that_postgresql_allows, "up to 156 connections")

    def test_keda_with_brokers_that_the_workers_do_not_know(self):
        del self.settings("shared")["KAFKA_BROKERS"]
        self.assert_found(scaling.keda_asks_what_the_workers_are_told, "the workers are told no KAFKA_BROKERS")

    def test_keda_without_a_password(self):
        self.remove("TriggerAuthentication", "inventory-worker")
        self.assert_found(scaling.keda_asks_what_the_workers_are_told, "does not ask for KAFKA_PASSWORD")

    def test_keda_with_another_mechanism(self):
        self.settings("shared")["KAFKA_SASL_MECHANISM"] = "PLAIN"
        self.assert_found(scaling.keda_asks_what_the_workers_are_told, "the workers' plain")
