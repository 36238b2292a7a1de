//! Walking lists page by page.

use domain::model::{Listing, Page, PageLimit, Pointed};

use crate::values::limit;

/// Reads a list to its end and checks each page on the way: never longer than
/// asked, shorter only at the end, and pointing at its own last entry.
pub(crate) async fn walk<T, F>(
    page_limit: PageLimit,
    fetch: impl Fn(Page<T::Cursor>) -> F,
) -> Vec<T>
where
    T: Pointed,
    T::Cursor: PartialEq + std::fmt::Debug,
    F: Future<Output = Listing<T>>,
{
    // A list that never ends would hang the test.
    const PAGES_MAX: usize = 10_000;
    let mut entries = Vec::new();
    let mut page = Page::first(page_limit);
    for _ in 0..PAGES_MAX {
        let listing = fetch(page).await;
        let length = listing.entries.len();
        assert!(length <= page_limit.get(), "a page of {length} entries");
        let last = listing.entries.last().map(Pointed::cursor);
        entries.extend(listing.entries);
        let Some(next) = listing.next else {
            return entries;
        };
        assert_eq!(length, page_limit.get(), "only the last page may be short");
        assert_eq!(
            Some(next),
            last,
            "the next page begins behind the last entry"
        );
        page.after = Some(next);
    }
    panic!("the list has not ended after {PAGES_MAX} pages");
}

/// Checks that pages of every size put together are the list: every entry
/// exactly once, in its order, and no empty page behind a full last one.
pub(crate) async fn assert_every_page_size<T, F>(
    expected: &[T],
    fetch: impl Fn(Page<T::Cursor>) -> F,
) where
    T: Pointed + PartialEq + std::fmt::Debug,
    T::Cursor: PartialEq + std::fmt::Debug,
    F: Future<Output = Listing<T>>,
{
    let length = expected.len();
    for entries in [1, 2, 3, length.saturating_sub(1), length, length + 1, 100] {
        if (1..=100).contains(&entries) {
            let got = walk(limit(entries), &fetch).await;
            assert_eq!(got, expected, "pages of {entries}");
        }
    }
}
