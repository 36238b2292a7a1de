//! Whether `docs/scaling.md` says truly how the tables could be spread over many
//! primaries, and what is in the way of it.
//!
//! The rules are those of Citus: a unique constraint of a table that is spread
//! contains the column by which it is; a foreign key leads to a table that is
//! everywhere, or to one that is spread alike, by the columns by which both are;
//! and such tables have no triggers.

use std::collections::{BTreeMap, BTreeSet};

use utsavam_tests::{Sql, TestDatabase};

const DOCUMENT: &str = include_str!("../../../docs/scaling.md");

/// In one place, and not worth a line in the table.
const LOCAL: &str = "__diesel_schema_migrations";

/// Tables whose rows of one event are on one primary, by the column that names it.
const TOGETHER: [(&str, &str); 4] = [
    ("events", "id"),
    ("bookings", "event_id"),
    ("event_sales", "event_id"),
    ("deletions_pending", "event_id"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    SpreadBy(String),
    Everywhere,
    One,
}

/// The first cells of the lines of the table with that head.
fn lines(head: &str) -> Vec<Vec<String>> {
    let mut lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(head));
    assert!(
        lines.next().is_some(),
        "docs/scaling.md has no table {head}"
    );
    let lines = lines.skip(1).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    lines.map(cells).collect()
}

fn places() -> BTreeMap<String, Place> {
    let lines = lines("| table | spread by |");
    let place = |text: &str| match text {
        "everywhere" => Place::Everywhere,
        "one place" => Place::One,
        column => Place::SpreadBy(column.to_owned()),
    };
    let mut places: BTreeMap<_, _> = lines
        .into_iter()
        .map(|cells| (cells[0].clone(), place(&cells[1])))
        .collect();
    places.insert(LOCAL.to_owned(), Place::One);
    places
}

/// What the catalogue says is in the way of it.
async fn in_the_way(sql: &Sql, places: &BTreeMap<String, Place>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let unique = sql
        .rows(
            "SELECT t.relname, i.relname, coalesce((
                 SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a
                 WHERE a.attrelid = t.oid AND a.attnum = ANY (x.indkey)), '')
             FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
             WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace",
        )
        .await;
    for row in unique {
        let [table, index, columns] = &row[..] else {
            panic!("three columns were asked for: {row:?}");
        };
        if let Place::SpreadBy(by) = &places[table]
            && !columns.split(',').any(|column| column == by)
        {
            found.insert(index.clone());
        }
    }
    let foreign = sql
        .rows(
            "SELECT c.conname, f.relname, t.relname, fa.attname, ta.attname
             FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
             JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = c.conkey[1]
             JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attnum = c.confkey[1]
             WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace",
        )
        .await;
    for row in foreign {
        let [name, from, to, from_column, to_column] = &row[..] else {
            panic!("five columns were asked for: {row:?}");
        };
        let is_together = TOGETHER.contains(&(from.as_str(), from_column))
            && TOGETHER.contains(&(to.as_str(), to_column));
        let stays = match (&places[from], &places[to]) {
            (_, Place::Everywhere) | (Place::One, Place::One) => true,
            (Place::SpreadBy(_), Place::SpreadBy(_)) => is_together,
            _ => false,
        };
        if !stays {
            found.insert(name.clone());
        }
    }
    let triggers = sql
        .rows(
            "SELECT t.relname, g.tgname FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
             WHERE NOT g.tgisinternal AND t.relnamespace = 'public'::regnamespace",
        )
        .await;
    for row in triggers {
        if places[&row[0]] != Place::One {
            found.insert(row[1].clone());
        }
    }
    found
}

#[tokio::test]
async fn what_is_in_the_way_of_many_primaries_is_what_the_document_says() {
    let database = TestDatabase::migrated().await;
    let sql = database.sql().await;
    let tables = sql
        .rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        .await;
    let tables: BTreeSet<String> = tables.into_iter().flatten().collect();
    let places = places();
    assert_eq!(places.keys().cloned().collect::<BTreeSet<_>>(), tables);
    for (table, column) in TOGETHER {
        assert_eq!(places[table], Place::SpreadBy(column.to_owned()), "{table}");
    }

    let said = lines("| in the way |")
        .into_iter()
        .map(|mut line| line.swap_remove(0));
    assert_eq!(
        said.collect::<BTreeSet<_>>(),
        in_the_way(&sql, &places).await
    );
}
