use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use fluxgate_service::causes::causes;
use fluxgate_service::settings::CaCertificates;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use super::{KeySet, NoUsableKey};

/// Bytes of a key set: a hundred times as large as a usual one.
const BYTES_MAX: usize = 256 * 1024;
/// How long a server may take for its whole answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A file with a key set, which was read at start, so that an unusable one is reported at once.
#[derive(Debug, Clone)]
pub struct JwksFile {
    path: PathBuf,
    keys: KeySet,
}

/// The URL of a key set.
#[derive(Debug, Clone)]
pub struct JwksUrl(Url);

/// Where the key set comes from.
#[derive(Debug, Clone)]
pub enum JwksSource {
    /// AUTH_JWKS_FILE
    File(PathBuf),
    /// AUTH_JWKS_URL
    Url(Client, Url),
}

/// Why no key set was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    File(#[from] io::Error),
    /// The server did not answer completely within 5 s.
    #[error("{}", causes(.0))]
    Server(#[from] reqwest::Error),
    /// The server answered with another status than 200. Redirects are not followed.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The answer or the file is too large.
    #[error("it has more than {BYTES_MAX} bytes")]
    TooLarge,
    /// The content is not a key set.
    #[error(transparent)]
    Content(#[from] NoUsableKey),
}

impl JwksFile {
    /// The keys that it had at start.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The file, to read it again.
    pub fn source(&self) -> JwksSource {
        JwksSource::File(self.path.clone())
    }
}

impl FromStr for JwksFile {
    type Err = LoadError;

    fn from_str(path: &str) -> Result<Self, LoadError> {
        let path = PathBuf::from(path);
        let keys = read(&path)?;
        Ok(Self { path, keys })
    }
}

impl JwksUrl {
    /// Whether it is `https`.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for JwksUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        match matches!(url.scheme(), "http" | "https") && !has_credentials {
            true => Ok(Self(url)),
            false => Err("must begin with https:// or http://, without a user name".to_owned()),
        }
    }
}

impl JwksSource {
    /// A server, whose certificate must be signed by `authorities`, or by those of the system.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn server(url: &JwksUrl, authorities: Option<&CaCertificates>) -> Result<Self, String> {
        let tls = CaCertificates::connector(authorities);
        let tls = tls.build().map_err(|error| error.to_string())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build();
        let client = client.map_err(|error| causes(&error))?;
        Ok(Self::Url(client, url.0.clone()))
    }

    /// Loads the key set.
    ///
    /// # Errors
    /// If it cannot be read in time, is too large, or has no usable key.
    pub async fn load(&self) -> Result<KeySet, LoadError> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read(&path));
                reading.await.map_err(io::Error::other)?
            }
            Self::Url(client, url) => Ok(KeySet::parse(&fetch(client, url.clone()).await?)?),
        }
    }
}

fn read(path: &Path) -> Result<KeySet, LoadError> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > BYTES_MAX {
        true => Err(LoadError::TooLarge),
        false => Ok(KeySet::parse(&bytes)?),
    }
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, LoadError> {
    let mut response = client.get(url).send().await?;
    if response.status() != StatusCode::OK {
        return Err(LoadError::Status(response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
    }
    Ok(bytes)
}
