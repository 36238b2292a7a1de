//! Asking a store whether it is there.

use crate::Bench;

pub async fn a_store_that_works_says_so(bench: Bench) {
    for _ in 0..3 {
        bench.probe().check().await.expect("the store is there");
    }
}
