from checks.program import Program
from checks.rules import secrets, settings
from checks.tests import Broken


class Settings(Broken):
    def test_an_unknown_program(self):
        self.container()["image"] = "fluxgate/outgest-api:1"
        self.assert_found(settings.every_image_is_one_of_our_programs, "is not one of our programs")

    def test_a_variable_that_is_not_a_setting(self):
        self.settings("ingest-api")["HTTP_ADRESS"] = "0.0.0.0:8080"
        self.assert_found(settings.every_setting_exists_in_the_program, "has no setting HTTP_ADRESS")

    def test_a_setting_of_another_program(self):
        self.container("inventory-worker")["env"].append({"name": "OUTBOX_MAX", "value": "1"})
        self.assert_found(settings.every_setting_exists_in_the_program, "inventory-worker:0.2.0 has no setting OUTBOX_MAX")

    def test_a_required_setting_that_is_missing(self):
        del self.settings("shared")["KAFKA_BROKERS"]
        self.assert_found(settings.every_required_setting_is_set, "migration: KAFKA_BROKERS is missing")

    def test_a_config_map_that_does_not_exist(self):
        self.container()["envFrom"][0]["configMapRef"]["name"] = "shared-settings"
        self.assert_found(settings.every_referenced_config_map_exists, "no ConfigMap shared-settings")

    def test_a_file_that_is_not_mounted(self):
        del self.container("reconciler")["volumeMounts"]
        self.assert_found(settings.every_file_of_a_setting_is_mounted, "which is not mounted")


class Secrets(Broken):
    def test_a_token_in_a_config_map(self):
        self.settings("ingest-api")["ADMIN_TOKEN"] = "open sesame"
        self.assert_found(secrets.no_secret_is_in_a_config_map, "ADMIN_TOKEN belongs in a Secret")

    def test_a_password_in_a_url_in_a_config_map(self):
        self.settings("shared")["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://user:password@collector:4318"
        self.assert_found(secrets.no_secret_is_in_a_config_map, "OTEL_EXPORTER_OTLP_ENDPOINT belongs")

    def test_a_password_in_a_deployment(self):
        self.container("inventory-worker")["env"][0] = {"name": "DATABASE_URL", "value": "postgres://"}
        self.assert_found(secrets.no_secret_is_in_a_deployment, "DATABASE_URL belongs in a Secret")

    def test_a_secret_of_production(self):
        self.overlay.objects.append({"kind": "Secret", "metadata": {"name": "redis"}, "data": {}})
        self.assert_found(secrets.the_production_overlay_contains_no_secret, "redis: a secret of production")

    def test_a_secret_that_the_readme_does_not_create(self):
        self.container()["env"][0]["valueFrom"]["secretKeyRef"]["key"] = "address"
        self.assert_found(secrets.the_readme_creates_every_secret_of_production, "no key address in a Secret redis")


class LocalSecrets(Broken):
    overlay_name = "local"

    def test_a_key_that_its_secret_does_not_have(self):
        self.container("migration")["env"][0]["valueFrom"]["secretKeyRef"]["key"] = "root-url"
        self.assert_found(secrets.the_local_overlay_contains_its_secrets, "migration: no key root-url")


class Help(Broken):
    def test_settings_are_parsed_from_help(self):
        program = Program.from_help(
            "greeter",
            "Usage: greeter [OPTIONS] --name <NAME>\n"
            "--name <NAME>\n [env: NAME=]\n\n--token <TOKEN>\n [env: TOKEN]\n\n--tries <N>\n [env: TRIES=]\n [default: 3]\n",
        )
        self.assertEqual(program.settings, {"NAME", "TOKEN", "TRIES"})
        self.assertEqual(program.secrets, {"TOKEN"})
        self.assertEqual(program.required, {"NAME"})
        self.assertEqual(program.defaults, {"TRIES": "3"})
