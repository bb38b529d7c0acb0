//! One notification as a message over SMTP.

use std::time::Duration;

use exhibit_recorder::{Lost, Security, Way};
use exhibit_store::Delivery;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::authentication::Credentials,
};

use super::{given_up, lost, secret};

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn send(way: &Way, delivery: &Delivery, words: &str) -> Result<String, Lost> {
    let Way::Email { smtp, security, user, password_env, from, to, .. } = way else {
        return Err(given_up("this is no mail channel"));
    };
    let (host, port) = smtp.rsplit_once(':').unwrap_or((smtp, "587"));
    let port: u16 = port.parse().map_err(|_| given_up("smtp: the port does not read"))?;
    let failed = |error: lettre::transport::smtp::Error| lost(format!("the mail server: {error}"));
    let builder = match security {
        Security::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(failed)?,
        Security::Starttls => {
            AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(failed)?
        }
        Security::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
    };
    let mut builder = builder.port(port).timeout(Some(TIMEOUT));
    if let (Some(user), Some(name)) = (user, password_env) {
        builder = builder.credentials(Credentials::new(user.clone(), secret(name)?));
    }
    let address = |text: &String| {
        text.parse::<Mailbox>().map_err(|_| given_up(format!("`{text}` is no mail address")))
    };
    // The subject is one line whatever a rule's title holds.
    let subject = words.lines().next().unwrap_or_default().chars().take(150).collect::<String>();
    let mut message = Message::builder()
        .from(address(from)?)
        .subject(format!("[exhibit] {subject}"))
        .message_id(Some(format!("<{}@exhibit>", delivery.id)))
        .header(ContentType::TEXT_PLAIN);
    for recipient in to {
        message = message.to(address(recipient)?);
    }
    let message =
        message.body(words.to_owned()).map_err(|_| given_up("the message cannot be written"))?;
    builder.build().send(message).await.map_err(failed)?;
    Ok("sent".to_owned())
}
