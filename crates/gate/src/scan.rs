//! Reading scans page by page.

use std::pin::Pin;
use std::time::Duration;

use fred::error::{Error, ErrorKind};
use futures_util::{Stream, TryStreamExt};
use tokio::time::timeout;

/// Longest that a page may take. The client limits the time of commands, not that of the pages of a scan.
const PAGE_MAX: Duration = Duration::from_secs(5);

/// The next page of a scan; `None` after the last one.
///
/// # Errors
/// When Redis gave no usable answer, or none in time.
pub async fn next_page<T>(
    pages: &mut Pin<&mut impl Stream<Item = Result<T, Error>>>,
) -> Result<Option<T>, Error> {
    let late = |_| {
        Err(Error::new(
            ErrorKind::Timeout,
            "a page of a scan did not come",
        ))
    };
    timeout(PAGE_MAX, pages.try_next())
        .await
        .unwrap_or_else(late)
}
