//! Random operations against the model.

mod crowd;
mod operation;
mod sequence;

pub use crowd::a_crowd_leaves_what_its_answers_say;
pub use sequence::{
    a_sequence_at_small_events_is_answered_as_by_the_model, a_sequence_is_answered_as_by_the_model,
};
