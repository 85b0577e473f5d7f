use std::num::NonZeroU64;

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::QueueSecret;
use crate::ids::{ProductId, UserId};

/// The first byte of a ticket.
const VERSION: u8 = 1;
/// Version, number, holder.
const PAYLOAD_BYTES: usize = 1 + 8 + HolderId::BYTES;
const MAC_BYTES: usize = 16;
const TICKET_BYTES: usize = PAYLOAD_BYTES + MAC_BYTES;

/// Who holds a ticket: an HMAC of the user id, so a ticket does not show it, and nobody can choose ids that get good positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HolderId([u8; HolderId::BYTES]);

impl HolderId {
    /// Its length.
    pub const BYTES: usize = 16;

    /// The holder that `user` is in sales with this secret.
    pub fn of(user: &UserId, secret: &QueueSecret) -> Self {
        let mac = secret.hmac(format!("user\0{user}").as_bytes());
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&mac[..Self::BYTES]);
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// Proof of a place in the queue of one sale. Nothing else stores the place.
///
/// Its text is the hex form of 41 bytes: version 1, the number of somebody who joined after the start or zero (8 bytes, big-endian),
/// the holder (16), and the first 16 bytes of the HMAC-SHA256 that binds them to the sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Who may use it.
    pub holder: HolderId,
    /// The number of somebody who joined after the start; `None`: joined before it.
    pub number: Option<NonZeroU64>,
}

/// The text is no ticket of this sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ticket is not valid for this sale")]
pub struct InvalidTicket;

impl Ticket {
    /// Its text, for the sale of `product` that starts at `opens_at`.
    pub fn sign(&self, secret: &QueueSecret, product: &ProductId, opens_at: Timestamp) -> String {
        let mut bytes = [0; TICKET_BYTES];
        bytes[..PAYLOAD_BYTES].copy_from_slice(&self.payload());
        let mac = mac(secret, product, opens_at, &self.payload());
        bytes[PAYLOAD_BYTES..].copy_from_slice(&mac[..MAC_BYTES]);
        hex::encode(bytes)
    }

    /// Reads a text that was signed for this sale.
    ///
    /// # Errors
    /// If it was not.
    pub fn verify(
        text: &str,
        secret: &QueueSecret,
        product: &ProductId,
        opens_at: Timestamp,
    ) -> Result<Self, InvalidTicket> {
        let mut bytes = [0; TICKET_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidTicket)?;
        let (payload, signed) = bytes.split_at(PAYLOAD_BYTES);
        let expected = mac(secret, product, opens_at, payload);
        let is_signed: bool = expected[..MAC_BYTES].ct_eq(signed).into();
        if !is_signed || payload[0] != VERSION {
            return Err(InvalidTicket);
        }
        let mut number = [0; 8];
        number.copy_from_slice(&payload[1..9]);
        let mut holder = [0; HolderId::BYTES];
        holder.copy_from_slice(&payload[9..]);
        Ok(Self {
            holder: HolderId(holder),
            number: NonZeroU64::new(u64::from_be_bytes(number)),
        })
    }

    fn payload(&self) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[0] = VERSION;
        payload[1..9].copy_from_slice(&self.number.map_or(0, NonZeroU64::get).to_be_bytes());
        payload[9..].copy_from_slice(&self.holder.0);
        payload
    }
}

fn mac(secret: &QueueSecret, product: &ProductId, opens_at: Timestamp, payload: &[u8]) -> [u8; 32] {
    let opens_at_ms = opens_at.as_millisecond();
    // The payload is last: it may contain zero bytes, which separate the parts.
    let mut message = format!("ticket\0{product}\0{opens_at_ms}\0").into_bytes();
    message.extend(payload);
    secret.hmac(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "010000000000000000f809decae29a6c02e34fe69f002e46797a897880dc1557608df5b79e658502a3";
    const LATE: &str =
        "010000000000001267f809decae29a6c02e34fe69f002e4679571a2e416a7cb7de1a1453faa2c8b71d";

    fn secret() -> QueueSecret {
        QueueSecret::new(b"0123456789abcdef0123456789abcdef").unwrap()
    }

    fn product() -> ProductId {
        ProductId::parse("iphone-15").unwrap()
    }

    fn opens_at() -> Timestamp {
        Timestamp::from_millisecond(1_795_219_200_000).unwrap()
    }

    fn ticket(number: u64) -> Ticket {
        let user = UserId::parse("ada").unwrap();
        Ticket {
            holder: HolderId::of(&user, &secret()),
            number: NonZeroU64::new(number),
        }
    }

    /// As Python's `hmac` computes them. Frozen: people keep tickets.
    #[test]
    fn tickets_are_frozen() {
        for (number, text) in [(0, TEXT), (4_711, LATE)] {
            assert_eq!(ticket(number).sign(&secret(), &product(), opens_at()), text);
            let read = Ticket::verify(text, &secret(), &product(), opens_at());
            assert_eq!(read, Ok(ticket(number)));
        }
    }

    #[test]
    fn a_ticket_with_any_other_digit_is_invalid() {
        for at in 0..TEXT.len() {
            let mut forged = TEXT.to_owned().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            let read = Ticket::verify(&forged, &secret(), &product(), opens_at());
            assert_eq!(read, Err(InvalidTicket), "{forged}");
        }
        for bad in [
            "",
            "01",
            &TEXT[2..],
            &format!("{TEXT}00"),
            &"x".repeat(TEXT.len()),
        ] {
            let read = Ticket::verify(bad, &secret(), &product(), opens_at());
            assert_eq!(read, Err(InvalidTicket), "{bad}");
        }
    }

    #[test]
    fn a_ticket_of_another_sale_is_invalid() {
        let other_secret = QueueSecret::new(b"0123456789abcdef0123456789abcdeg").unwrap();
        let other_product = ProductId::parse("iphone-16").unwrap();
        let other_time = Timestamp::from_millisecond(1_795_219_200_001).unwrap();
        for (secret, product, opens_at) in [
            (other_secret, product(), opens_at()),
            (secret(), other_product, opens_at()),
            (secret(), product(), other_time),
        ] {
            let read = Ticket::verify(TEXT, &secret, &product, opens_at);
            assert_eq!(read, Err(InvalidTicket));
        }
    }
}
