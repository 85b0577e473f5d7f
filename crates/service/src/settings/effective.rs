use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use strsim::damerau_levenshtein;

/// Names shorter than this resemble a setting if one character differs, longer ones if two do.
const SHORT_NAME: usize = 10;

/// Which settings differ from their defaults, and which variables look like misspelled ones.
#[derive(Debug)]
pub struct EffectiveSettings {
    changed: Vec<String>,
    /// The setting that is meant, and the variable that is set.
    misspelled: Vec<(String, String)>,
}

impl EffectiveSettings {
    pub(super) fn new(command: &Command, matches: &ArgMatches) -> Self {
        let with_variable = |arg: &&Arg| arg.get_env().is_some();
        let settings: Vec<_> = command.get_arguments().filter(with_variable).collect();
        let names: Vec<_> = settings.iter().map(|arg| variable(arg)).collect();
        let present = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let misspelled = present.filter_map(|name| Some((meant(&name, &names)?, name)));
        Self {
            changed: settings
                .iter()
                .filter_map(|arg| changed(arg, matches))
                .collect(),
            misspelled: misspelled.collect(),
        }
    }

    /// Logs them once. Secrets are shown as `(set)`.
    pub fn log(&self) {
        let settings = self.changed.join(" ");
        tracing::info!(settings, "settings that differ from the defaults");
        for (setting, variable) in &self.misspelled {
            tracing::warn!(
                variable,
                setting,
                "the environment variable is not a setting but resembles one"
            );
        }
    }
}

/// `NAME=value`, unless it has its default.
fn changed(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = arg.get_id().as_str();
    if matches.value_source(id)? == ValueSource::DefaultValue {
        return None;
    }
    let value = matches.get_raw(id)?.next()?;
    if arg
        .get_default_values()
        .iter()
        .any(|default| default.as_os_str() == value)
    {
        return None;
    }
    let variable = variable(arg);
    if arg.is_hide_env_values_set() {
        return Some(format!("{variable}=(set)"));
    }
    let value = value.to_string_lossy();
    Some(match value.contains(char::is_whitespace) {
        true => format!("{variable}={value:?}"),
        false => format!("{variable}={value}"),
    })
}

fn variable(arg: &Arg) -> String {
    let variable = arg.get_env().expect("only settings with a variable");
    variable.to_string_lossy().into_owned()
}

/// The setting that an unknown variable resembles. Kubernetes sets `*_SERVICE_*` and `*_PORT*` for each of its services;
/// these are never meant as settings.
fn meant(name: &str, settings: &[String]) -> Option<String> {
    let is_ours = settings.iter().any(|setting| setting == name);
    if is_ours || name.contains("_SERVICE_") || name.contains("_PORT") {
        return None;
    }
    let name = name.to_uppercase();
    let nearest = settings
        .iter()
        .map(|setting| (damerau_levenshtein(&name, setting), setting))
        .min()?;
    let limit = if nearest.1.len() < SHORT_NAME { 1 } else { 2 };
    (nearest.0 <= limit).then(|| nearest.1.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_resembles_a_setting_is_taken_for_a_misspelled_one() {
        let settings = ["REDIS_URL", "RUST_LOG", "IN_FLIGHT_MAX", "OPS_ADDR"];
        let settings = settings.map(str::to_owned);
        for (name, setting) in [
            ("IN_FLIGTH_MAX", Some("IN_FLIGHT_MAX")),
            ("INFLIGHTMAX", Some("IN_FLIGHT_MAX")),
            ("in_flight_max", Some("IN_FLIGHT_MAX")),
            ("REDIS_URI", Some("REDIS_URL")),
            ("IN_FLIGHT_MAX", None),
            ("REDIS_PORT", None),
            ("OPS_PORT", None),
            ("RUST_SERVICE_LOG", None),
            ("RUST_LIB", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(name, &settings).as_deref(), setting, "{name}");
        }
    }
}
