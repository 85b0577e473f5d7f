//! What violations mean in a run whose fault may make Redis lose data.

use super::Violation;

/// Whether a run kept every promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Every promise was kept.
    Right,
    /// Redis lost data, as the fault meant it to. Instances reported it, and every other promise was kept.
    Reported,
    /// These promises were broken.
    Wrong(Vec<Violation>),
}

/// What a run's fault may excuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Whether the fault may make Redis lose acknowledged writes.
    pub possible: bool,
    /// Whether an instance reported a loss.
    pub reported: bool,
}

/// Judges a run: a loss excuses violations only where the fault may cause it and an instance reported it.
pub fn judge(mut violations: Vec<Violation>, loss: Loss) -> Judgement {
    match (loss.possible, loss.reported) {
        (false, true) => violations.push(Violation::FalseLossReport),
        (true, true) => violations.retain(|it| !it.is_explained_by_loss()),
        (true, false) if violations.iter().any(Violation::is_explained_by_loss) => {
            violations.insert(0, Violation::UnreportedLoss);
        }
        (_, false) => {}
    }
    match (violations.is_empty(), loss.reported) {
        (true, false) => Judgement::Right,
        (true, true) => Judgement::Reported,
        (false, _) => Judgement::Wrong(violations),
    }
}
