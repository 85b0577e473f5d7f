use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use native_tls::{Certificate, TlsConnector, TlsConnectorBuilder};

/// The certificate authorities of a PEM file; no others are trusted.
#[derive(Clone)]
pub struct CaCertificates {
    file: PathBuf,
    certificates: Vec<Certificate>,
}

impl CaCertificates {
    /// The PEM file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A connector that trusts only these authorities, or those of the system if `ca_certificates` is `None`.
    pub fn connector(ca_certificates: Option<&Self>) -> TlsConnectorBuilder {
        let mut connector = TlsConnector::builder();
        if let Some(ca_certificates) = ca_certificates {
            connector.disable_built_in_roots(true);
            for certificate in &ca_certificates.certificates {
                connector.add_root_certificate(certificate.clone());
            }
        }
        connector
    }
}

impl FromStr for CaCertificates {
    type Err = String;

    /// Reads the file at start, so that an unusable one is reported at once.
    fn from_str(path: &str) -> Result<Self, String> {
        let pem = fs::read(path).map_err(|error| error.to_string())?;
        let certificates = Certificate::stack_from_pem(&pem)
            .map_err(|error| format!("not a PEM file: {error}"))?;
        if certificates.is_empty() {
            return Err("the file holds no PEM certificate".into());
        }
        Ok(Self {
            file: path.into(),
            certificates,
        })
    }
}

impl fmt::Debug for CaCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaCertificates").field(&self.file).finish()
    }
}
