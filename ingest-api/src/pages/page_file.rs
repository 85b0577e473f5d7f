//! A file in the encodings in which it is sent. It is compressed once, when the program starts.

use std::io::Write;

use actix_web::http::header::{AcceptEncoding, Encoding};
use actix_web::web::Bytes;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Smaller files are sent as they are.
const COMPRESSED_FROM_BYTES: usize = 1_024;
/// Of 11, which takes more than twice as long for 3 % less.
const BROTLI_QUALITY: i32 = 10;

/// A file as it is sent.
#[derive(Debug, Clone)]
pub struct PageFile {
    /// Its media type.
    pub content_type: &'static str,
    plain: EncodedContent,
    compressed: Vec<EncodedContent>,
}

/// The content of a file in one encoding.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct EncodedContent {
    pub encoding: Encoding,
    pub content: Bytes,
    /// The first 128 bits of the SHA-256 of `content` in hex.
    pub hash: String,
}

impl PageFile {
    /// Compresses a file, unless it is small.
    pub fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let compressed = match content.len() < COMPRESSED_FROM_BYTES {
            true => Vec::new(),
            false => vec![
                EncodedContent::new(Encoding::brotli(), brotli(&content)),
                EncodedContent::new(Encoding::gzip(), gzip(&content)),
            ],
        };
        Self {
            content_type,
            plain: EncodedContent::new(Encoding::identity(), content),
            compressed,
        }
    }

    /// The file without an encoding.
    pub fn plain(&self) -> &EncodedContent {
        &self.plain
    }

    /// Whether it is sent to different clients in different encodings.
    pub fn is_compressed(&self) -> bool {
        !self.compressed.is_empty()
    }

    /// The file in the encoding that a client prefers; without one if it accepts none of them (RFC 9110, 12.5.3).
    pub fn accepted_by(&self, client: &AcceptEncoding) -> &EncodedContent {
        let encodings = self.compressed.iter().map(|it| &it.encoding);
        let chosen = client.negotiate(encodings.chain([&self.plain.encoding]));
        let mut compressed = self.compressed.iter();
        let found = compressed.find(|it| Some(&it.encoding) == chosen.as_ref());
        found.unwrap_or(&self.plain)
    }
}

impl EncodedContent {
    fn new(encoding: Encoding, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self {
            encoding,
            hash: hex::encode(&Sha256::digest(&content)[..16]),
            content,
        }
    }
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let params = BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &params)
        .expect("memory takes every write");
    compressed
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(content);
    written
        .and_then(|()| encoder.finish())
        .expect("memory takes every write")
}
