//! Files in `docs/` that `make docs` generates: they must be what it would
//! generate now.

use std::path::Path;

use utsavam_tests::{Program, TestDatabase};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn assert_current(file: &str, generated: &str) {
    let path = root().join(file);
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let difference = kept
        .lines()
        .zip(generated.lines())
        .find(|(kept, generated)| kept != generated);
    assert!(
        kept == generated,
        "{file} is not what `make docs` generates, first at {difference:?}"
    );
}

#[tokio::test]
async fn the_api_description_in_docs_is_current() {
    let generated = Program::new(&["openapi", "--format", "yaml"])
        .run()
        .await
        .expect_success();
    assert_current("docs/openapi.yaml", &generated.stdout);
}

#[tokio::test]
async fn the_schema_in_docs_is_current() {
    let database = TestDatabase::migrated().await;
    let output = tokio::process::Command::new(root().join("deploy/dump-schema.sh"))
        .env("DATABASE_URL", database.url())
        .output()
        .await
        .expect("a script that can be run");
    assert!(output.status.success(), "{output:?}");
    assert_current("docs/schema.sql", &String::from_utf8_lossy(&output.stdout));
}
