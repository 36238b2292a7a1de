//! Names for one attempt to book.

/// Names one attempt to book at the seat gate, so that taking, settling and
/// releasing its tokens can be repeated without effect. 128 random bits, drawn
/// by whoever starts the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(u128);

impl ReservationId {
    /// An id from 128 random bits.
    pub fn from_random_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl std::fmt::Display for ReservationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_length_whatever_their_bits() {
        let id = ReservationId::from_random_bits(0xAB);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
    }
}
