//! `token`: a new bearer token, with the table that lets it in.

use clap::Args;

use crate::identity::{Role, TokenHash, fresh_token, is_namespace};

/// What the token is to be for.
#[derive(Args)]
pub(super) struct TokenArguments {
    /// Who gets the token; several tokens may have one name, so that one can take the place of another
    #[arg(long, default_value = "my-service", value_parser = name)]
    name: String,
    /// Where its sessions, listeners and subscribers live [default: the name]
    #[arg(long, value_parser = name)]
    namespace: Option<String>,
    /// What it may do: user, operator or observer
    #[arg(long, default_value = "user", value_parser = role)]
    role: Role,
    /// Hash a token that you have instead of making one: it is read from standard input
    #[arg(long)]
    hash: bool,
}

fn name(text: &str) -> Result<String, String> {
    if is_namespace(text) { Ok(text.to_owned()) } else { Err("1 to 128 bytes without control characters".to_owned()) }
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text).ok_or_else(|| "user, operator or observer".to_owned())
}

/// The text to print.
///
/// # Errors
/// What the system says to the read.
pub(super) fn text(arguments: &TokenArguments) -> std::io::Result<String> {
    let (told, hash) = if arguments.hash {
        let mut token = String::new();
        std::io::stdin().read_line(&mut token)?;
        let token = token.trim();
        if token.len() < SHORTEST {
            let sentence = format!("a token of {} bytes can be guessed: at least {SHORTEST} are needed", token.len());
            return Err(std::io::Error::other(sentence));
        }
        (String::new(), TokenHash::of(token.as_bytes()))
    } else {
        let (token, hash) = fresh_token();
        let told = format!(
            "# The token. It is shown this once: give it to its owner over a safe way, and do not keep it.\n\
             # {token}\n\n"
        );
        (told, hash)
    };
    let TokenArguments { name, namespace, role, .. } = arguments;
    let namespace = namespace.as_deref().unwrap_or(name);
    Ok(format!(
        "{told}# For the gateway's configuration file:\n[[identity.tokens]]\nname = {}\nnamespace = {}\nrole = \"{}\"\nsha256 = \
         \"{hash}\"\n",
        quoted(name),
        quoted(namespace),
        role.as_str()
    ))
}

/// A hash can be tried against guesses as fast as the machine goes: a token must have the bits that no guess has.
const SHORTEST: usize = 32;

/// As TOML writes text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
