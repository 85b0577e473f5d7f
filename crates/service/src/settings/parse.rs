use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::EffectiveSettings;

/// Reads a program's settings from the command line and the environment.
///
/// If one is missing or invalid, prints the name of its variable and ends the program with exit code 2. Values that
/// `--help` hides are never printed.
pub fn parse<C: CommandFactory + FromArgMatches>() -> (C, EffectiveSettings) {
    read(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Ends the program with exit code 2 because the value of `variable` cannot be used.
///
/// For values that only a driver can check, such as URLs. The value is not printed: it may hold a password.
pub fn refuse(variable: &str, reason: impl std::fmt::Display) -> ! {
    let text = format!("invalid value for {variable}: {reason}\n");
    Error::raw(ErrorKind::ValueValidation, text).exit()
}

fn read<C: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(C, EffectiveSettings), Error> {
    let mut command = C::command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => return Err(by_variable(&command, error)),
    };
    let effective = EffectiveSettings::new(&command, &matches);
    Ok((C::from_arg_matches(&matches)?, effective))
}

/// The same error in terms of variables: clap names the flag, and shows any value.
fn by_variable(command: &Command, error: Error) -> Error {
    let text = match error.kind() {
        ErrorKind::MissingRequiredArgument => missing(command, &error),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => invalid(command, &error),
        ErrorKind::InvalidUtf8 => undecodable(command),
        _ => None,
    };
    match text {
        Some(text) => Error::raw(error.kind(), text),
        None => error,
    }
}

/// `None` if it is not only settings that are missing.
fn missing(command: &Command, error: &Error) -> Option<String> {
    let Some(ContextValue::Strings(arguments)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let line = |argument: &String| {
        let (variable, arg) = setting(command, argument)?;
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("{variable} is not set: {help}\n"))
    };
    arguments.iter().map(line).collect()
}

fn invalid(command: &Command, error: &Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (variable, arg) = setting(command, argument)?;
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !arg.is_hide_env_values_set() => {
            format!("'{value}' ")
        }
        _ => String::new(),
    };
    let reason = match (error.get(ContextKind::ValidValue), error.source()) {
        (_, Some(cause)) => cause.to_string(),
        (Some(ContextValue::Strings(allowed)), _) if !allowed.is_empty() => {
            format!("must be one of {}", allowed.join(", "))
        }
        _ => "must not be empty".to_owned(),
    };
    Some(format!("invalid value {value}for {variable}: {reason}\n"))
}

/// clap does not say which value it is.
fn undecodable(command: &Command) -> Option<String> {
    let mut variables = command.get_arguments().filter_map(Arg::get_env);
    let variable = variables.find(|variable| {
        std::env::var_os(variable).is_some_and(|value| value.into_string().is_err())
    })?;
    let variable = variable.to_string_lossy();
    Some(format!("invalid value for {variable}: must be UTF-8\n"))
}

/// The setting that clap shows as this argument.
fn setting<'a>(command: &'a Command, argument: &str) -> Option<(&'a str, &'a Arg)> {
    let arg = command
        .get_arguments()
        .find(|arg| arg.to_string() == argument)?;
    Some((arg.get_env()?.to_str()?, arg))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::settings::LogFormat;

    #[derive(Debug, Parser)]
    struct Cli {
        /// Where the store is
        #[arg(long, env = "TEST_STORE")]
        test_store: String,
        /// The secret
        #[arg(long, env = "TEST_TOKEN", hide_env_values = true, value_parser = token)]
        test_token: String,
        #[arg(long, env = "TEST_MAX", default_value_t = 5)]
        test_max: u32,
        #[arg(long, env = "TEST_FORMAT", default_value = "json")]
        test_format: LogFormat,
    }

    fn token(text: &str) -> Result<String, String> {
        Err(format!("{} characters are too few", text.len()))
    }

    fn refused(arguments: &[&str]) -> String {
        let arguments = ["test"].iter().chain(arguments).map(OsString::from);
        read::<Cli>(arguments).unwrap_err().to_string()
    }

    #[test]
    fn missing_settings_are_named_by_their_variables() {
        assert_eq!(
            refused(&[]),
            "error: TEST_STORE is not set: Where the store is\nTEST_TOKEN is not set: The secret\n"
        );
    }

    #[test]
    fn an_invalid_setting_is_named_by_its_variable_and_shown_unless_secret() {
        for (argument, text) in [
            (
                "--test-token=hush",
                "for TEST_TOKEN: 4 characters are too few",
            ),
            (
                "--test-max=many",
                "'many' for TEST_MAX: invalid digit found in string",
            ),
            (
                "--test-format=xml",
                "'xml' for TEST_FORMAT: must be one of pretty, json",
            ),
        ] {
            let expected = format!("error: invalid value {text}\n");
            assert_eq!(refused(&["--test-store=a", argument]), expected);
        }
    }

    #[test]
    fn other_errors_are_those_of_clap() {
        assert!(refused(&["--tset-max=1"]).contains("unexpected argument '--tset-max'"));
    }
}
