//! Finds fewer actions that still go wrong.

use crate::history::run_only;
use crate::plan::Plan;

/// The numbers of the actions that are needed for something to go wrong: parts of
/// the plan are left out, ever smaller ones, as long as it does.
pub fn shrink(plan: &Plan) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..plan.len()).collect();
    let mut part = (numbers.len() / 2).max(1);
    loop {
        let mut from = 0;
        while from < numbers.len() {
            let to = (from + part).min(numbers.len());
            let fewer: Vec<_> = [&numbers[..from], &numbers[to..]].concat();
            if run_only(&plan.only(&fewer)).wrong.is_some() {
                numbers = fewer;
            } else {
                from = to;
            }
        }
        if part == 1 {
            return numbers;
        }
        part /= 2;
    }
}
