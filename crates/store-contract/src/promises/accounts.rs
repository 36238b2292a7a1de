//! Accounts: finding, renaming and looking for them.

use domain::model::PasswordHash;
use domain::ports::AccountError;

use crate::AccountsBench;
use crate::accounts_bench::REFRESH_LASTS;
use crate::compare::assert_matches;
use crate::values::{new_user, nobody};

pub async fn whoever_is_registered_has_an_account(bench: AccountsBench) {
    let user = bench
        .register(new_user("alice@example.com", Some("Alice")))
        .await;
    let account = bench.account(user.id).await;
    assert_eq!(account.user, user);
    assert_eq!((account.has_password, account.suspended_at), (false, None));
}

pub async fn nothing_is_done_to_an_account_that_never_was(bench: AccountsBench) {
    bench.user().await;
    let (accounts, nobody) = (bench.accounts(), nobody());
    let password = PasswordHash::from_phc("$argon2id$x".to_owned());
    let token = bench.secret();
    for refused in [
        accounts.find(nobody).await.err(),
        accounts.credentials_of(nobody).await.err(),
        accounts.rename(nobody, None).await.err(),
        accounts.set_password(nobody, password, None).await.err(),
        accounts
            .issue_password_token(nobody, token, REFRESH_LASTS)
            .await
            .err(),
        accounts.suspend(nobody).await.err(),
        accounts.reinstate(nobody).await.err(),
        accounts.erase(nobody).await.err(),
    ] {
        assert_matches!(&refused, Some(AccountError::UserNotFound(id)) if *id == nobody);
    }
}
