use clap::{Args, ValueEnum};

use super::CaCertificates;

/// Where the brokers are, how they are spoken to, and what the topic is called.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaSettings {
    /// Bootstrap brokers, comma separated: host:port,host:port
    #[arg(long, env = "KAFKA_BROKERS", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub kafka_brokers: String,

    /// Topic that carries sales and orders, keyed by product id
    #[arg(long, env = "KAFKA_TOPIC", default_value = "orders")]
    pub kafka_topic: String,

    /// Whether the way to the brokers is encrypted, and whether a password is asked for
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", default_value = "plaintext")]
    pub kafka_security_protocol: SecurityProtocol,

    /// PEM file of the authorities that vouch for the brokers [default: those of the system]
    #[arg(long, env = "KAFKA_CA_FILE")]
    pub kafka_ca_file: Option<CaCertificates>,

    /// How the password is shown to the brokers
    #[arg(long, env = "KAFKA_SASL_MECHANISM", default_value = "SCRAM-SHA-512")]
    pub kafka_sasl_mechanism: SaslMechanism,

    /// Who connects, where the security protocol has SASL
    #[arg(long, env = "KAFKA_USERNAME", requires = "kafka_password", required_if_eq_any = WITH_SASL)]
    pub kafka_username: Option<String>,

    /// The password
    #[arg(
        long,
        env = "KAFKA_PASSWORD",
        hide_env_values = true,
        requires = "kafka_username"
    )]
    pub kafka_password: Option<String>,
}

const WITH_SASL: [(&str, &str); 2] = [
    ("kafka_security_protocol", "sasl_plaintext"),
    ("kafka_security_protocol", "sasl_ssl"),
];

/// How brokers are spoken to, in librdkafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Anybody may listen.
    Plaintext,
    /// Encrypted; the brokers show a certificate.
    Ssl,
    /// Anybody may listen; clients have passwords.
    SaslPlaintext,
    /// Encrypted, and clients have passwords.
    SaslSsl,
}

impl SecurityProtocol {
    /// Whether a password is asked for.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// Whether it is encrypted.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// How a password is shown to brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// As it is: only over an encrypted way.
    #[value(name = "PLAIN")]
    Plain,
    /// Proven, not sent: RFC 5802 with SHA-256.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}
