use std::str::FromStr;

use clap::Args;
use fluxgate_service::settings::Switch;

/// What the terms of a sale may have.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sales")]
pub struct SaleSettings {
    /// Features that the terms of a sale may use, comma-separated: holds, limits, queue; only once all workers, all API instances and
    /// the reconciler are of a version that knows the feature. `holds` needs READ_DATABASE_URL or DATABASE_URL [default: none]
    #[arg(long, env = "SALE_FEATURES")]
    pub sale_features: Option<SaleFeatures>,

    /// Whether a PUT may change the terms of a sale that nobody has ordered from; only once all workers, all API instances and the
    /// reconciler are of a version that has this setting
    #[arg(long, env = "SALE_AMENDMENTS", default_value = "off")]
    pub sale_amendments: Switch,
}

/// The features that the terms of a sale may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaleFeatures {
    /// Orders that expire unless they are paid.
    pub holds: bool,
    /// Limits of the rate of a sale's orders.
    pub limits: bool,
    /// A queue that buyers wait in.
    pub queue: bool,
}

impl FromStr for SaleFeatures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut features = Self::default();
        for name in text.split(',') {
            match name.trim() {
                "holds" => features.holds = true,
                "limits" => features.limits = true,
                "queue" => features.queue = true,
                other => {
                    return Err(format!(
                        "no feature `{other}`; there are: holds, limits, queue"
                    ));
                }
            }
        }
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_that_have_an_effect_are_accepted() {
        let features = |text: &str| text.parse::<SaleFeatures>();
        for (text, [holds, limits, queue]) in [
            ("holds", [true, false, false]),
            (" limits , limits", [false, true, false]),
            ("limits,holds", [true, true, false]),
            ("queue", [false, false, true]),
        ] {
            let expected = SaleFeatures {
                holds,
                limits,
                queue,
            };
            assert_eq!(features(text), Ok(expected));
        }
        for bad in ["", "limits,", "Limits", "limits,seats", "buckets"] {
            assert!(features(bad).is_err(), "{bad}");
        }
    }
}
