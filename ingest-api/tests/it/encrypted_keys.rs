//! AUTH_JWKS_URL with https, and AUTH_JWKS_CA_FILE.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use fluxgate_service::settings::CaCertificates;
use ingest_api::identity::{JwksSource, JwksUrl};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use crate::fixture::tokens::{ProviderKey, jwks};
use crate::fixture::unique;

/// A certificate for `localhost` that is its own authority.
fn certificate() -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    let (begin, end) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    builder.set_not_before(&begin.unwrap()).unwrap();
    builder.set_not_after(&end.unwrap()).unwrap();
    let authority = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(authority).unwrap();
    let context = builder.x509v3_context(None, None);
    let host = SubjectAlternativeName::new()
        .dns("localhost")
        .build(&context)
        .unwrap();
    builder.append_extension(host).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// Serves `content` with this certificate; returns the port.
fn serve(certificate: &X509, key: &PKey<Private>, content: String) -> u16 {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    acceptor.set_private_key(key).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(mut client) = acceptor.accept(client) else {
                continue;
            };
            let _ = client.read(&mut [0; 4_096]);
            let length = content.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let _ = client.write_all((head + &content).as_bytes());
        }
    });
    port
}

fn authorities(certificate: &X509) -> (PathBuf, CaCertificates) {
    let path = std::env::temp_dir().join(unique("authority"));
    std::fs::write(&path, certificate.to_pem().unwrap()).unwrap();
    let authorities = path.to_str().unwrap().parse().unwrap();
    (path, authorities)
}

#[tokio::test]
async fn the_certificate_of_the_server_must_be_signed_by_a_trusted_authority_for_its_name() {
    let ((own, key), (other, _)) = (certificate(), certificate());
    let port = serve(&own, &key, jwks(&[&ProviderKey::ed25519("e")]));
    let (own_file, own) = authorities(&own);
    let (other_file, other) = authorities(&other);
    let load = async |host: &str, authorities: Option<&CaCertificates>| {
        let url: JwksUrl = format!("https://{host}:{port}/keys").parse().unwrap();
        let source = JwksSource::server(&url, authorities).unwrap();
        source.load().await.map(|keys| keys.count())
    };
    assert_eq!(load("localhost", Some(&own)).await.unwrap(), 1);
    for (host, authorities) in [
        ("localhost", Some(&other)),
        ("localhost", None),
        ("127.0.0.1", Some(&own)),
    ] {
        let error = load(host, authorities).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
    for file in [own_file, other_file] {
        std::fs::remove_file(file).unwrap();
    }
}
