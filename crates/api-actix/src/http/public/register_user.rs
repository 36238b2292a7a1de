//! `POST /users`: registers somebody.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use domain::model::{Email, NewUser, Password, User, UserName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::access::name_object;
use crate::http::extract::Json;
use crate::http::problem::{Fields, Problem, ProblemBody};

/// Who wants to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "dana@example.com", "name": "Dana"}))]
pub(crate) struct RegisterRequest {
    /// Their address; trimmed and lower-cased.
    #[schema(format = Email, max_length = 255)]
    email: String,
    /// What they are called.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// What they will log in with; without one an admin has to help them to it.
    #[schema(format = Password, min_length = 10, max_length = 128)]
    password: Option<String>,
}

/// A registered user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": 4, "email": "dana@example.com", "name": "Dana", "created_at": "2026-11-22T10:00:00Z"}))]
pub(crate) struct UserResponse {
    /// Their id.
    id: i64,
    /// Their address.
    email: String,
    /// What they are called.
    name: Option<String>,
    /// When they registered.
    created_at: DateTime<Utc>,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id.get(),
            email: user.email.into(),
            name: user.name.map(String::from),
            created_at: user.created_at,
        }
    }
}

impl RegisterRequest {
    /// Who registers, and the password that is to be hashed.
    fn parse(self) -> Result<(NewUser, Option<Password>), Problem> {
        let mut fields = Fields::default();
        let email = fields.take("email", Email::parse(&self.email));
        let name = fields.take_option("name", self.name.as_deref().map(UserName::parse));
        let password =
            fields.take_option("password", self.password.as_deref().map(Password::parse));
        let user = email.zip(name).map(|(email, name)| NewUser {
            email,
            name,
            password: None,
        });
        fields.finish(user.zip(password))
    }
}

/// Register somebody.
#[utoipa::path(
    post, path = "/users", tag = "users", operation_id = "register_user",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "Registered", body = UserResponse),
        (status = 409, description = "The email is already registered (`email_taken`)",
         body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn register_user(
    app: web::Data<App>,
    request: Json<RegisterRequest>,
) -> Result<HttpResponse, Problem> {
    let (mut user, password) = request.0.parse()?;
    let password = match password {
        Some(password) => Some((app.passwords.turn().await?, password)),
        None => None,
    };
    let user = app
        .run(|services| async move {
            if let Some((passwords, password)) = password {
                user.password = Some(passwords.hash(password).await?);
            }
            Ok::<_, Problem>(services.stores.users.register(user).await?)
        })
        .await??;
    let user_id = user.id;
    let mut response = HttpResponse::Created().json(UserResponse::from(user));
    name_object(&mut response, "user", user_id.get());
    Ok(response)
}
