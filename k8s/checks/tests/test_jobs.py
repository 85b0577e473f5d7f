from checks.rules import jobs
from checks.tests import Broken


class Jobs(Broken):
    def test_an_audit_that_may_run_for_ever(self):
        del self.overlay.workload("reconciler").job["activeDeadlineSeconds"]
        self.assert_found(jobs.every_job_ends_and_is_cleared_away, "reconciler: may run for ever")

    def test_a_migration_that_stays_for_ever(self):
        del self.entry("Job", "migration")["spec"]["ttlSecondsAfterFinished"]
        self.assert_found(jobs.every_job_ends_and_is_cleared_away, "no ttlSecondsAfterFinished")

    def test_an_audit_that_found_something_and_is_tried_again(self):
        self.overlay.workload("reconciler").job["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] = [2]
        self.assert_found(jobs.a_job_is_not_tried_again_where_that_mends_nothing, "exit codes [[2]]")

    def test_audits_that_run_beside_each_other(self):
        del self.entry("CronJob", "reconciler")["spec"]["concurrencyPolicy"]
        self.assert_found(jobs.one_audit_runs_at_a_time, "concurrencyPolicy is None")
