//! Sells few seats to many buyers at once on a running server and checks that
//! nobody got a seat twice. Settings come from the environment: BASE, CAPACITY,
//! REQUESTS, CONCURRENCY, ADMIN_KEY. The only line on stdout is the tally.

use std::process::ExitCode;

use utsavam_tests::concurrency;

#[tokio::main]
async fn main() -> ExitCode {
    match sell().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn sell() -> Result<(), String> {
    let (client, plan) = concurrency::from_environment(|name| std::env::var(name).ok())?;
    let run = concurrency::run(std::slice::from_ref(&client), plan).await?;
    println!("{}", run.tally);
    run.verify(&client, plan).await
}
