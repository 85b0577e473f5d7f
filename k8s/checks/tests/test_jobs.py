from checks.rules import jobs
from checks.tests import Broken


class Jobs(Broken):
    def test_an_audit_without_a_deadline(self):
        del self.overlay.workload("reconciler").job["activeDeadlineSeconds"]
        self.assert_found(jobs.every_job_has_a_deadline_and_is_removed, "reconciler: has no deadline")

    def test_a_migration_that_is_not_removed(self):
        del self.entry("Job", "migration")["spec"]["ttlSecondsAfterFinished"]
        self.assert_found(jobs.every_job_has_a_deadline_and_is_removed, "no ttlSecondsAfterFinished")

    def test_an_audit_that_is_retried_after_a_mismatch(self):
        self.overlay.workload("reconciler").job["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] = [2]
        self.assert_found(jobs.a_job_is_not_retried_after_a_final_exit_code, "exit codes [[2]]")

    def test_concurrent_audits(self):
        del self.entry("CronJob", "reconciler")["spec"]["concurrencyPolicy"]
        self.assert_found(jobs.one_audit_runs_at_a_time, "concurrencyPolicy is None")
