//! One verb each: the order in which the gate and the store are asked, and
//! what one learns from the other. Generic over the ports, without a runtime.
//!
//! Reading needs no use case: whoever shows things asks the reading ports.

mod book;
mod cancel;
mod cancel_bookings_of_erased;
mod change_event;
mod delete_event;
mod erase_user;
mod figure_reconciler;
mod publish_event;
mod reconcile;
mod reconcile_figures;
mod seed_demo;

pub use book::book;
pub use cancel::cancel;
pub use cancel_bookings_of_erased::cancel_bookings_of_erased;
pub use change_event::change_event;
pub use delete_event::delete_event;
pub use erase_user::erase_user;
pub use figure_reconciler::{FigureReconciler, FigureReport};
pub use publish_event::publish_event;
pub use reconcile::{
    GateCheck, GateReconciler, GateReport, ReconcileError, check_gate, reconcile_gate,
};
pub use reconcile_figures::{FigureCounts, Found, Remedy, reconcile_figures};
pub use seed_demo::{DemoData, seed_demo};
