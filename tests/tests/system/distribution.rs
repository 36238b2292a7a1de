//! `docs/scaling.md` says how the tables would be spread over a distributed PostgreSQL, and
//! what stands in the way. Both are held against the catalogue of a real database.

use std::collections::{BTreeMap, BTreeSet};

use utsavam_tests::TestDatabase;

const PAGE: &str = include_str!("../../../docs/scaling.md");

/// Where a table would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'p> {
    /// Spread by that column; those of one kind are together.
    Spread { kind: &'p str, column: &'p str },
    /// A copy on every node.
    Everywhere,
    /// On one node.
    OneNode,
}

/// The rows of the table that begins with that head.
fn rows(head: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let (_, table) = PAGE.split_once(head).expect("the page has the table");
    let lines = table.lines().skip(2);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')))
        .map(|cells| cells.skip(1).collect())
}

fn places() -> BTreeMap<&'static str, Place<'static>> {
    let places = rows("| table | where | by |").map(|cells| {
        let place = match (cells[1], cells[2]) {
            ("every node", _) => Place::Everywhere,
            ("one node", _) => Place::OneNode,
            (kind, column) => Place::Spread { kind, column },
        };
        (cells[0], place)
    });
    places.collect()
}

fn obstacles() -> BTreeSet<&'static str> {
    rows("| obstacle | of |").map(|cells| cells[0]).collect()
}

/// Whether a unique index can be kept: each node sees its own rows alone.
fn is_unique_everywhere(place: Place, columns: &[&str]) -> bool {
    match place {
        Place::Spread { column, .. } => columns.contains(&column),
        Place::Everywhere | Place::OneNode => true,
    }
}

/// Whether a foreign key can be checked without asking another node.
fn is_checked_at_home(from: (Place, &[&str]), to: (Place, &[&str])) -> bool {
    match (from.0, to.0) {
        (Place::Spread { .. } | Place::OneNode, Place::Everywhere)
        | (Place::Everywhere, Place::Everywhere)
        | (Place::OneNode, Place::OneNode) => true,
        (
            Place::Spread { kind, column },
            Place::Spread {
                kind: to_kind,
                column: to_column,
            },
        ) => {
            let pairs = from.1.iter().zip(to.1);
            let mut pairs = pairs.map(|(from, to)| (*from, *to));
            kind == to_kind && pairs.any(|pair| pair == (column, to_column))
        }
        _ => false,
    }
}

fn names(cell: &str) -> Vec<&str> {
    cell.split(',').collect()
}

#[tokio::test]
async fn what_stands_in_the_way_of_spreading_the_tables_is_what_the_page_says() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    let places = places();

    let tables = "SELECT relname FROM pg_class
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let tables = sql.rows(tables).await;
    let tables: BTreeSet<&str> = tables.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(tables, places.keys().copied().collect());

    let mut found = BTreeSet::new();
    let indexes = "SELECT t.relname, i.relname, string_agg(a.attname, ',')
                   FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                   JOIN pg_class t ON t.oid = x.indrelid
                   JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (x.indkey)
                   WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace
                   GROUP BY 1, 2";
    for row in sql.rows(indexes).await {
        if !is_unique_everywhere(places[row[0].as_str()], &names(&row[2])) {
            found.insert(row[1].clone());
        }
    }
    // The columns of both sides, in the order in which they belong together.
    let keys = "SELECT c.conname, f.relname, t.relname, string_agg(fa.attname, ',' ORDER BY k.n),
                       string_agg(ta.attname, ',' ORDER BY k.n)
                FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid
                JOIN pg_class t ON t.oid = c.confrelid
                CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (own, other, n)
                JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = k.own
                JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attnum = k.other
                WHERE c.contype = 'f' GROUP BY 1, 2, 3";
    let keys = sql.rows(keys).await;
    assert!(keys.len() > 5, "the foreign keys were not found");
    for row in keys {
        let (from, to) = (names(&row[3]), names(&row[4]));
        let from = (places[row[1].as_str()], from.as_slice());
        let to = (places[row[2].as_str()], to.as_slice());
        if !is_checked_at_home(from, to) {
            found.insert(row[0].clone());
        }
    }
    let triggers = "SELECT t.relname, g.tgname FROM pg_trigger g
                    JOIN pg_class t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal";
    for row in sql.rows(triggers).await {
        if matches!(places[row[0].as_str()], Place::Spread { .. }) {
            found.insert(row[1].clone());
        }
    }
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, obstacles());
}
