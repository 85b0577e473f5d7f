use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AdmitPerSecond, QueueMode};
use crate::records::MalformedRecord;

/// How a queue is served, as far as admin calls have changed it. Redis keeps it as `rate paused mode`, with `-` for no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueSettings {
    /// The admission rate; `None`: that of the terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admit_per_second: Option<AdmitPerSecond>,
    /// Whether no turns begin and the turn clock stops.
    pub paused: bool,
    /// Whether orders need turns.
    pub mode: QueueMode,
}

impl QueueSettings {
    /// Whether turns begin, while there are units.
    pub fn gives_turns(&self) -> bool {
        self.mode == QueueMode::Queue && !self.paused
    }

    /// Whether orders need turns, and none begin.
    pub fn is_paused(&self) -> bool {
        self.paused && self.mode == QueueMode::Queue
    }

    /// Reads their JSON; `None` if it is none.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Their JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("settings are a plain struct with text keys")
    }
}

/// What an admin call says about a queue; `None`: it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct QueuePatch {
    pub admit_per_second: Option<AdmitPerSecond>,
    pub paused: Option<bool>,
    pub mode: Option<QueueMode>,
}

impl QueuePatch {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the settings are as it says.
    pub fn agrees_with(&self, settings: &QueueSettings) -> bool {
        let rate = self.admit_per_second;
        rate.is_none_or(|rate| settings.admit_per_second == Some(rate))
            && self.paused.is_none_or(|paused| settings.paused == paused)
            && self.mode.is_none_or(|mode| settings.mode == mode)
    }
}

impl fmt::Display for QueueSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.admit_per_second {
            Some(rate) => write!(f, "{}", rate.get())?,
            None => f.write_str("-")?,
        }
        write!(f, " {} {}", u8::from(self.paused), self.mode.as_str())
    }
}

impl FromStr for QueueSettings {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        let read = || {
            let mut parts = text.split(' ');
            Some(Self {
                admit_per_second: match parts.next()? {
                    "-" => None,
                    rate => Some(rate.parse::<u32>().ok()?.try_into().ok()?),
                },
                paused: match parts.next()? {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                },
                mode: QueueMode::parse(parts.next()?).ok()?,
            })
        };
        read().ok_or_else(|| MalformedRecord::new("settings of a queue", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32) -> Option<AdmitPerSecond> {
        AdmitPerSecond::try_from(per_second).ok()
    }

    #[test]
    fn settings_have_a_text_and_json() {
        let paused = QueueSettings {
            admit_per_second: rate(50),
            paused: true,
            mode: QueueMode::Pass,
        };
        for (settings, text, json) in [
            (
                QueueSettings::default(),
                "- 0 queue",
                r#"{"paused":false,"mode":"queue"}"#,
            ),
            (
                paused,
                "50 1 pass",
                r#"{"admitPerSecond":50,"paused":true,"mode":"pass"}"#,
            ),
        ] {
            assert_eq!(settings.to_string(), text);
            assert_eq!(text.parse(), Ok(settings));
            assert_eq!(settings.to_json(), json);
            assert_eq!(QueueSettings::read(json), Some(settings));
        }
        for malformed in ["", "-", "0 0 queue", "50 2 queue", "50 0 draw", "50 0"] {
            assert!(malformed.parse::<QueueSettings>().is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_patch_agrees_with_settings_that_are_as_it_says() {
        let settings: QueueSettings = "50 1 queue".parse().unwrap();
        let patch = QueuePatch::default();
        assert!(patch.is_empty() && patch.agrees_with(&settings));
        let same = QueuePatch {
            admit_per_second: rate(50),
            paused: Some(true),
            mode: Some(QueueMode::Queue),
        };
        assert!(!same.is_empty() && same.agrees_with(&settings));
        for other in [
            QueuePatch {
                admit_per_second: rate(51),
                ..same
            },
            QueuePatch {
                paused: Some(false),
                ..same
            },
            QueuePatch {
                mode: Some(QueueMode::Pass),
                ..same
            },
        ] {
            assert!(!other.agrees_with(&settings), "{other:?}");
        }
        assert!(!same.agrees_with(&QueueSettings::default()));
    }
}
