use clap::Args;

/// Who may open sales.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Admin")]
pub struct AdminSettings {
    /// Bearer token of admin calls; unset: they are answered 403 `admin_disabled`
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub admin_token: Option<String>,
}
