//! Who calls: the tokens of ADMIN_TOKEN. Knows nothing about HTTP, sales or orders.

mod admin_tokens;

pub use admin_tokens::AdminTokens;
