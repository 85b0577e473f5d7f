//! How ids and quantities are read from JSON: a text without a copy, and with errors that say what is allowed.

/// Reads a value by its `parse`.
macro_rules! deserialize {
    ($name:ident, $deserialize:ident, $($visit:ident($value:ty)),+) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($name::INVALID.allowed)
                    }

                    $(fn $visit<E: serde::de::Error>(self, value: $value) -> Result<$name, E> {
                        $name::parse(value).map_err(E::custom)
                    })+
                }

                deserializer.$deserialize(Visitor)
            }
        }
    };
}

/// A quantity is a whole JSON number.
macro_rules! json_number {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        $crate::ids::json::deserialize!($name, deserialize_i64, visit_i64(i64), visit_u64(u64));
    };
}

/// A term that is a whole number in a range.
macro_rules! whole_number {
    ($(#[$doc:meta])* $name:ident, $field:literal, $range:expr, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(u32);

        $crate::ids::json::json_number!($name);

        impl $name {
            const INVALID: $crate::ids::Invalid = $crate::ids::Invalid {
                field: $field,
                allowed: $allowed,
            };

            fn parse(number: impl TryInto<u32>) -> Result<Self, $crate::ids::Invalid> {
                match number.try_into() {
                    Ok(number) if ($range).contains(&number) => Ok(Self(number)),
                    _ => Err(Self::INVALID),
                }
            }

            /// The number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = $crate::ids::Invalid;

            fn try_from(number: u32) -> Result<Self, $crate::ids::Invalid> {
                Self::parse(number)
            }
        }
    };
}

pub(super) use {deserialize, json_number, whole_number};
