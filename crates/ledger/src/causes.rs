use std::error::Error;

/// An error with all that caused it: the driver's own words are only "db error", or "error connecting to
/// server".
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
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
    fn every_cause_is_said_once() {
        assert_eq!(
            causes(&Outer(Inner)),
            "no connection: certificate verify failed"
        );
        assert_eq!(causes(&Inner), "certificate verify failed");
    }
}
