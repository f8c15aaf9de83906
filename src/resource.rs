//! The name of what a lease is for and a fence guards: floor 0, a value.

use std::fmt;
use std::str::FromStr;

/// The name of a resource: 1 to 63 bytes of UTF-8 without control characters. It goes with every
/// request for a lease, every grant and every fencing token, so that what is meant for one resource
/// is refused by every other.
///
/// Names are compared byte by byte. A name that goes on after another one with a slash is a part of
/// it by convention (`accounts/17`), which the fence in PostgreSQL [knows](crate::fence::POSTGRES).
///
/// # Examples
///
/// ```
/// use sureclock::ResourceName;
///
/// let accounts: ResourceName = "accounts".parse()?;
/// assert_eq!(accounts.as_str(), "accounts");
/// assert!("".parse::<ResourceName>().is_err());
/// # Ok::<(), sureclock::InvalidResourceName>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceName {
    /// Zeros after the name, so that equal names are equal values.
    bytes: [u8; ResourceName::LONGEST],
    length: u8,
}

/// Why a text is no [`ResourceName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResourceName {
    /// It is empty.
    #[error("a resource has a name of at least one byte")]
    Empty,
    /// It is longer than [`ResourceName::LONGEST`].
    #[error("the name of a resource has {bytes} bytes, and 63 are the most")]
    TooLong {
        /// How long it is, in bytes.
        bytes: usize,
    },
    /// It has a control character, a line feed say.
    #[error("the name of a resource has a control character")]
    Control,
}

impl ResourceName {
    /// The most bytes of a name: 63, as of a name in PostgreSQL. A longer limit would make every
    /// token longer.
    pub const LONGEST: usize = 63;

    /// The name that is this text.
    ///
    /// # Errors
    ///
    /// [`InvalidResourceName`].
    pub fn new(text: &str) -> Result<ResourceName, InvalidResourceName> {
        let invalid = || InvalidResourceName::TooLong { bytes: text.len() };
        if text.is_empty() {
            return Err(InvalidResourceName::Empty);
        }
        let mut bytes = [0; ResourceName::LONGEST];
        bytes.get_mut(..text.len()).ok_or_else(invalid)?.copy_from_slice(text.as_bytes());
        if text.chars().any(char::is_control) {
            return Err(InvalidResourceName::Control);
        }
        Ok(ResourceName { bytes, length: u8::try_from(text.len()).map_err(|_| invalid())? })
    }

    /// The name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("it was made of a text")
    }
}

impl FromStr for ResourceName {
    type Err = InvalidResourceName;

    fn from_str(text: &str) -> Result<ResourceName, InvalidResourceName> {
        ResourceName::new(text)
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Under the feature `serde`: a text.
#[cfg(feature = "serde")]
impl serde::Serialize for ResourceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ResourceName {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<ResourceName, D::Error> {
        struct Name;

        impl serde::de::Visitor<'_> for Name {
            type Value = ResourceName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a resource: 1 to 63 bytes without control characters")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ResourceName, E> {
                ResourceName::new(text).map_err(E::custom)
            }
        }

        reader.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_text_and_comes_back() {
        for text in ["a", "accounts/17", "Kontostände", &"x".repeat(63)] {
            assert_eq!(ResourceName::new(text).unwrap().as_str(), text);
            assert_eq!(format!("{}", ResourceName::new(text).unwrap()), text);
        }
        assert_eq!(ResourceName::new(""), Err(InvalidResourceName::Empty));
        assert_eq!(
            ResourceName::new(&"x".repeat(64)),
            Err(InvalidResourceName::TooLong { bytes: 64 })
        );
        assert_eq!(ResourceName::new("a\nb"), Err(InvalidResourceName::Control));
        assert_eq!(ResourceName::new("a\0"), Err(InvalidResourceName::Control));
        assert_ne!(ResourceName::new("a"), ResourceName::new("aa"));
    }
}
