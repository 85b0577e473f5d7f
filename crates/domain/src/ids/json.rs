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

pub(super) use {deserialize, json_number};
