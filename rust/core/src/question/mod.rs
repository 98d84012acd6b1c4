//! A question as a number: losses of model outputs, localizers, and their sum `G`.

mod column;
mod energy;
mod localizer;
mod loss;

pub use column::ColumnMeasure;
pub(crate) use energy::DriftScratch;
pub use energy::{Energy, Parts, Workspace};
pub use localizer::Localizer;
pub use loss::{Loss, Term};
