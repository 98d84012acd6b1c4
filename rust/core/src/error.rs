//! What can go wrong in the core; each variant maps to one Python exception class.

use thiserror::Error;

#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    #[error("{0}")]
    Space(String),
    #[error("{0}")]
    Model(String),
    #[error("{0}")]
    Question(String),
    #[error("{0}")]
    Data(String),
    #[error("{0}")]
    Sampling(String),
    /// Nowhere to start from.
    #[error("{0}")]
    Start(String),
}

pub type Result<T> = std::result::Result<T, Error>;
