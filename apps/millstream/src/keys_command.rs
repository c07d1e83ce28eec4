//! `millstream keys`: the file of master keys.

use crate::keys;
use crate::terminal::say;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use millstream_host::{Clock, SystemClock, fs};
use millstream_vault::{Keyring, MASTER_KEY_OF_KINESIS};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Add a master key to a file, which is made if it is not there
    #[command(after_help = CREATE_HELP)]
    Create(CreateArguments),
    /// Say which keys a file has; the keys themselves are not shown
    List(ListArguments),
    /// Give a key a new version, which encrypts from then on; the old ones stay and decrypt
    #[command(after_help = ROTATE_HELP)]
    Rotate(RotateArguments),
}

const CREATE_HELP: &str = "Keep a copy of the file, apart from the data: without it nobody can read what is encrypted.\n\n\
    Example:\n  millstream keys create keys.toml\n  millstream serve --encryption-keys keys.toml\n  aws kinesis \
    start-stream-encryption --stream-name orders --encryption-type KMS --key-id alias/aws/kinesis";

const ROTATE_HELP: &str = "Start the server anew, and StartStreamEncryption for each stream that is to use the new version. \
    Records that are there stay under the old one.\n\nExample:\n  millstream keys rotate keys.toml alias/orders";

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// A name for the key, such as alias/orders; several can be given [default: alias/aws/kinesis, if the file has none yet]
    #[arg(long = "alias", value_name = "ALIAS")]
    aliases: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The key's id, or one of its aliases
    #[arg(value_name = "KEY")]
    key: String,
}

pub(crate) fn run(command: KeysCommand) -> Result<ExitCode> {
    let now = SystemClock::new().now();
    match command {
        KeysCommand::Create(CreateArguments { file, mut aliases }) => {
            let mut keyring = keys::read(&file)?.unwrap_or_default();
            let taken = |key: &millstream_vault::MasterKey| {
                key.aliases.iter().any(|alias| alias == MASTER_KEY_OF_KINESIS)
            };
            if aliases.is_empty() && !keyring.keys().iter().any(taken) {
                aliases.push(MASTER_KEY_OF_KINESIS.to_owned());
            }
            let id = keyring.create(aliases.clone(), now).context("the key was not made")?;
            write(&file, &keyring)?;
            say(format_args!("{id} {}", aliases.join(" ")).to_string().trim_end());
        }
        KeysCommand::List(ListArguments { file }) => {
            for key in existing(&file)?.keys() {
                let state = if key.disabled { "disabled" } else { "enabled" };
                let line = format!("{} {state} version {} {}", key.id, key.newest(), key.aliases.join(" "));
                say(line.trim_end());
            }
        }
        KeysCommand::Rotate(RotateArguments { file, key }) => {
            let mut keyring = existing(&file)?;
            let version = keyring.rotate(&key, now).with_context(|| format!("in {}", file.display()))?;
            write(&file, &keyring)?;
            say(format_args!("{key} has version {version}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn existing(file: &Path) -> Result<Keyring> {
    keys::read(file)?
        .with_context(|| format!("{} is not there: `millstream keys create` makes it", file.display()))
}

/// All or nothing, and for its owner alone.
fn write(file: &Path, keyring: &Keyring) -> Result<()> {
    let whole = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
    fs::write_private(&whole, keyring.to_file().as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}
