//! The text of an error with its causes.

use std::error::Error;

/// An error with its causes. The own text of a driver's error is only "db error" or "error sending request".
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("certificate verify failed")]
    struct Inner;

    #[test]
    fn every_cause_is_named_once() {
        assert_eq!(
            causes(&Outer(Inner)),
            "no connection: certificate verify failed"
        );
        assert_eq!(causes(&Inner), "certificate verify failed");
    }
}
