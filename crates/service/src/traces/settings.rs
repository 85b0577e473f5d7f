use clap::{Args, ValueEnum};

/// Export and sampling of traces. The variables are those of OpenTelemetry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceSettings {
    /// OTLP/HTTP endpoint for traces, such as http://collector:4318 [default: none; traces are off]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_parser = endpoint)]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Who decides which requests are sampled: this service, or the caller if it sent a traceparent
    #[arg(long, env = "OTEL_TRACES_SAMPLER", default_value = "traceidratio")]
    pub otel_traces_sampler: Sampler,

    /// Share of requests that are sampled, from 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "0.01", value_parser = share)]
    pub otel_traces_sampler_arg: f64,
}

impl TraceSettings {
    /// The endpoint; empty means none, as in OpenTelemetry.
    pub fn endpoint(&self) -> Option<&str> {
        let endpoint = self.otel_exporter_otlp_endpoint.as_deref();
        endpoint.filter(|endpoint| !endpoint.is_empty())
    }
}

/// Who decides which requests are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sampler {
    /// This service, for a share of all requests. Untrusted callers cannot cause traces.
    #[value(name = "traceidratio")]
    Own,
    /// The caller, by the flag in its `traceparent`; this service if there is none. For services behind a gateway that
    /// samples.
    #[value(name = "parentbased_traceidratio")]
    Caller,
}

fn endpoint(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    match is_url || text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("must begin with http:// or https://".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches, error::ErrorKind};

    use super::*;

    fn settings(endpoint: &str) -> Result<TraceSettings, clap::Error> {
        let command = TraceSettings::augment_args(clap::Command::new("test"));
        let given = ["test", "--otel-exporter-otlp-endpoint", endpoint];
        let matches = command.try_get_matches_from(given)?;
        TraceSettings::from_arg_matches(&matches)
    }

    #[test]
    fn an_empty_endpoint_means_none() {
        assert_eq!(settings("").unwrap().endpoint(), None);
        assert_eq!(settings(" ").unwrap().endpoint(), None);
        let url = "http://collector:4318";
        assert_eq!(settings(url).unwrap().endpoint(), Some(url));
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused_by_name() {
        for wrong in ["collector:4318", "grpc://collector:4317", "http://"] {
            let error = settings(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation);
            let text = error.to_string();
            assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{text}");
        }
    }
}
