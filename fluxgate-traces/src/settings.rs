use clap::{Args, ValueEnum};

/// Where traces go, and which there are. The variables are those of OpenTelemetry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceSettings {
    /// Where traces are sent by OTLP over HTTP, such as http://collector:4318 [default: nowhere]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Who decides which requests are traced: this service, or whoever calls it if they sent a traceparent
    #[arg(long, env = "OTEL_TRACES_SAMPLER", default_value = "traceidratio")]
    pub otel_traces_sampler: Sampler,

    /// Share of requests that are traced, from 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "0.01", value_parser = share)]
    pub otel_traces_sampler_arg: f64,
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

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("must be a number from 0 to 1".into()),
    }
}
