use clap::{Args, ValueEnum};

/// Where traces go, and which there are. The variables are those of OpenTelemetry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceSettings {
    /// Where traces are sent by OTLP over HTTP, such as http://collector:4318 [default: nowhere]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = endpoint)]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Who decides which requests are traced: this service, or whoever calls it if they sent a traceparent
    #[arg(long, env = "OTEL_TRACES_SAMPLER", default_value = "traceidratio")]
    pub otel_traces_sampler: Sampler,

    /// Share of requests that are traced, from 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "0.01", value_parser = share)]
    pub otel_traces_sampler_arg: f64,
}

impl TraceSettings {
    /// Where traces are sent; an empty setting is none, as OpenTelemetry has it.
    pub fn endpoint(&self) -> Option<&str> {
        let endpoint = self.otel_exporter_otlp_endpoint.as_deref();
        endpoint.filter(|endpoint| !endpoint.is_empty())
    }
}

/// Who decides which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sampler {
    /// This service: a share of all requests. What callers ask for costs nothing, so they may be anybody.
    #[value(name = "traceidratio")]
    Own,
    /// The caller, by the flag in its `traceparent`; this service where there is none. For services
    /// behind a gateway that decides.
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
    fn an_empty_endpoint_is_none() {
        assert_eq!(settings("").unwrap().endpoint(), None);
        assert_eq!(settings(" ").unwrap().endpoint(), None);
        let url = "http://collector:4318";
        assert_eq!(settings(url).unwrap().endpoint(), Some(url));
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_settings_name() {
        for wrong in ["collector:4318", "grpc://collector:4317", "http://"] {
            let error = settings(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation);
            let text = error.to_string();
            assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{text}");
        }
    }
}
