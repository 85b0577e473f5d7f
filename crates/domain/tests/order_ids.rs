//! The order id is frozen: ids already in somebody's PostgreSQL must be derived again forever.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use proptest::prelude::*;
use uuid::Uuid;

fn derive(product: &str, opened_at_ms: i64, user: &str, key: &str) -> OrderId {
    let product = ProductId::parse(product).unwrap();
    let tag = Tag::of(&product);
    let user = UserId::parse(user).unwrap();
    let key = IdempotencyKey::parse(key).unwrap();
    OrderId::derive(&product, tag, opened_at_ms, &user, &key)
}

/// Computed by an independent program (Python's hashlib and uuid). Never change a line: add lines.
#[test]
fn order_ids_equal_their_frozen_vectors() {
    let (long_product, long_key) = ("p".repeat(128), "k".repeat(255));
    let last_ms = (1 << 48) - 1;
    for (product, opened_at_ms, user, key, id) in [
        (
            "iphone-15",
            1_795_219_200_000,
            "user-1",
            "key-1",
            "01a1fb67-1800-897f-98f2-381895f55db8",
        ),
        (
            "iphone-15",
            1_795_219_200_000,
            "user-1",
            "key-2",
            "01a1fb67-1800-897f-9193-0b2cda414c05",
        ),
        ("a", 0, "b", "c", "00000000-0000-8ca9-9b0a-8b920d42f074"),
        ("ab", 0, "c", "d", "00000000-0000-8fb8-bebb-2fc5e2b7f08f"),
        ("a", 0, "bc", "d", "00000000-0000-8ca9-b15d-229cb99884b4"),
        (
            &long_product,
            last_ms,
            "日本",
            &long_key,
            "ffffffff-ffff-859c-b06c-1160ced05d88",
        ),
    ] {
        let derived = derive(product, opened_at_ms, user, key);
        assert_eq!(derived.to_string(), id);
        assert_eq!(derived.opened_at_ms(), opened_at_ms);
        assert_eq!(derived.tag(), Tag::of(&ProductId::parse(product).unwrap()));
        assert_eq!(id.parse::<OrderId>().unwrap(), derived);
    }
}

#[test]
fn tags_equal_their_frozen_vectors() {
    for (product, tag) in [("iphone-15", "97f"), ("a", "ca9"), ("ab", "fb8")] {
        assert_eq!(
            Tag::of(&ProductId::parse(product).unwrap()).to_string(),
            tag
        );
    }
}

#[test]
fn uuids_of_other_versions_are_no_order_ids() {
    for uuid in [
        Uuid::nil(),
        Uuid::max(),
        "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap(),
    ] {
        assert!(OrderId::try_from(uuid).is_err(), "{uuid}");
    }
    assert!("iphone-15".parse::<OrderId>().is_err());
}

proptest! {
    #[test]
    fn moving_the_border_between_the_parts_gives_another_id(
        a in "[a-z]{1,8}", b in "[a-z]{1,8}", c in "[a-z]{1,8}", ms in 0i64..1 << 48
    ) {
        let whole = derive(&a, ms, &b, &c);
        prop_assert_ne!(whole, derive(&a, ms, &format!("{b}{c}"), &c));
        prop_assert_ne!(whole, derive(&a, ms, &b, &format!("{b}{c}")));
        prop_assert_eq!(whole.as_uuid().get_version_num(), 8);
        prop_assert_eq!(OrderId::try_from(whole.as_uuid()), Ok(whole));
    }

    /// PostgreSQL compares UUIDs as this program does: byte by byte.
    #[test]
    fn the_orders_of_a_sale_stand_within_its_bounds_and_no_others_do(
        a in "[a-z]{1,8}", b in "[a-z]{1,8}", c in "[a-z]{1,8}", ms in 0i64..1 << 48
    ) {
        let sale = |product: &str| {
            let tag = Tag::of(&ProductId::parse(product).unwrap());
            let [lowest, highest] = OrderId::bounds(tag, ms);
            lowest..=highest
        };
        prop_assert!(sale(&a).contains(&derive(&a, ms, &b, &c)));
        prop_assert!(!sale(&a).contains(&derive(&a, ms ^ 1, &b, &c)));
        let same_tag = sale(&a) == sale(&b);
        prop_assert_eq!(sale(&a).contains(&derive(&b, ms, &b, &c)), same_tag);
    }
}
