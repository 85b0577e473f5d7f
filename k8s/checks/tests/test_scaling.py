from checks.rules import scaling
from checks.tests import Broken


class LocalScaling(Broken):
    overlay_name = "local"

    def test_an_autoscaler_that_undoes_kubectl_scale(self):
        self.overlay.objects.append({"kind": "ScaledObject", "metadata": {"name": "inventory-worker"}})
        self.assert_found(scaling.the_local_overlay_has_fixed_replicas, "would undo kubectl scale")

    def test_a_deployment_without_replicas(self):
        del self.entry("Deployment", "ingest-api")["spec"]["replicas"]
        self.assert_found(scaling.the_local_overlay_has_fixed_replicas, "has no replicas")

    def test_requests_of_more_than_two_cpus(self):
        self.container("inventory-worker")["resources"]["requests"]["cpu"] = "1"
        self.assert_found(scaling.the_local_overlay_fits_on_two_cpus, "requests 5.85 CPUs")


class ProductionScaling(Broken):
    def test_replicas_that_an_apply_would_reset(self):
        self.entry("Deployment", "inventory-worker")["spec"]["replicas"] = 1
        self.assert_found(scaling.autoscaled_deployments_have_no_replicas, "inventory-worker: an apply would overrule")

    def test_an_autoscaler_without_a_deployment(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["scaleTargetRef"]["name"] = "api"
        self.assert_found(scaling.autoscaled_deployments_have_no_replicas, "there is no Deployment api")

    def test_an_api_without_autoscaler(self):
        self.remove("HorizontalPodAutoscaler", "ingest-api")
        self.assert_found(scaling.production_scales_the_api_by_cpu, "there is no HorizontalPodAutoscaler")

    def test_an_api_with_one_replica(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["minReplicas"] = 1
        self.assert_found(scaling.production_scales_the_api_by_cpu, "1 to 20 replicas")

    def test_an_api_that_scales_too_late(self):
        metric = self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["metrics"][0]
        metric["resource"]["target"]["averageUtilization"] = 90
        self.assert_found(scaling.production_scales_the_api_by_cpu, "at 70 %")

    def test_an_api_that_scales_down_too_early(self):
        self.entry("HorizontalPodAutoscaler", "ingest-api")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 30
        self.assert_found(scaling.production_scales_the_api_by_cpu, "300 s")

    def test_workers_without_keda(self):
        self.remove("ScaledObject", "inventory-worker")
        self.assert_found(scaling.production_scales_the_workers_by_lag, "is not scaled by lag")

    def test_workers_with_another_lag(self):
        self.entry("ScaledObject", "inventory-worker")["spec"]["triggers"][0]["metadata"]["lagThreshold"] = "100"
        self.assert_found(scaling.production_scales_the_workers_by_lag, "a lag of 100")

    def test_more_workers_than_partitions(self):
        self.settings("migration")["KAFKA_PARTITIONS"] = "6"
        self.assert_found(scaling.production_scales_the_workers_by_lag, "more replicas than the 6 partitions")

    def test_more_connections_than_postgresql_allows(self):
        del self.settings("ingest-api")["READ_DATABASE_CONNECTIONS"]
        self.assert_found(scaling.production_stays_within_max_connections, "up to 168 connections")

    def test_workers_with_too_many_writers(self):
        self.settings("inventory-worker")["BATCH_WRITERS"] = "8"
        self.assert_found(scaling.production_stays_within_max_connections, "up to 156 connections")

    def test_keda_with_brokers_that_the_workers_do_not_have(self):
        del self.settings("shared")["KAFKA_BROKERS"]
        self.assert_found(scaling.keda_reads_the_settings_of_the_workers, "the workers have no setting KAFKA_BROKERS")

    def test_keda_without_a_password(self):
        self.remove("TriggerAuthentication", "inventory-worker")
        self.assert_found(scaling.keda_reads_the_settings_of_the_workers, "does not read KAFKA_PASSWORD")

    def test_keda_with_another_mechanism(self):
        self.settings("shared")["KAFKA_SASL_MECHANISM"] = "PLAIN"
        self.assert_found(scaling.keda_reads_the_settings_of_the_workers, "that of the workers plain")
