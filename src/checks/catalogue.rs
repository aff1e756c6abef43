//! What is known of gateways, limiters and vendors.

/// The catalogues.
#[derive(Debug, Clone, Default)]
pub struct Catalogues {}

impl Catalogues {
    /// The catalogues inside the program.
    #[must_use]
    pub fn builtin() -> Self {
        Self::default()
    }
}
