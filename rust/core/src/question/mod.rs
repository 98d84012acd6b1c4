//! A question as a number: losses of model outputs, localizers, and their sum `G`.

mod column;
mod decoder;
mod energy;
mod foreign;
mod localizer;
mod loss;
mod program;

pub use column::ColumnMeasure;
pub(crate) use column::Part;
pub use decoder::Decoder;
pub use energy::{Energy, Mean, Parts, Workspace};
pub use foreign::ForeignNode;
pub use localizer::Localizer;
pub use loss::{Loss, Term};
