//! `millstream credentials`: who may use a server, and what they may do. It changes the file; a server that runs notices.

use crate::terminal::{note, say};
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use millstream_credentials::{CredentialsFile, Document, Key};
use millstream_host::{Clock, SystemClock};
use millstream_iam::builtin;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct CredentialsArguments {
    /// The data directory whose credentials are meant
    #[arg(
        long,
        env = "MILLSTREAM_DATA",
        value_name = "DIR",
        default_value = "millstream-data",
        global = true
    )]
    data: PathBuf,

    /// The file itself, for servers with `serve --credentials`
    #[arg(long, env = "MILLSTREAM_CREDENTIALS", value_name = "FILE", global = true)]
    credentials: Option<PathBuf>,

    #[command(subcommand)]
    command: CredentialsCommand,
}

const HELP: &str = "A server that runs on the data directory notices changes within a second. With the first user, every \
    request must be signed.\n\nExample:\n  millstream credentials create admin --admin\n  millstream credentials policy put \
    writers writers.json\n  millstream credentials create app --policy writers";

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    /// Make a user with a key; its secret is shown once
    Create(CreateArguments),
    /// Show users, roles and what is attached to them; no secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a user another key; its secret is shown once
    Rotate {
        name: String,
        /// Leave the old key good, until `remove NAME --key ID` takes it away
        #[arg(long)]
        keep_old: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take away a user, or one of its keys
    Remove {
        name: String,
        /// Only this key
        #[arg(long, value_name = "ID")]
        key: Option<String>,
    },
    /// What principals may do
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// What functions may do that name a role
    #[command(subcommand)]
    Role(RoleCommand),
}

#[derive(Debug, Args)]
struct CreateArguments {
    name: String,

    /// It may do everything: the policy AdministratorAccess
    #[arg(long)]
    admin: bool,

    /// A policy that it has; may be given several times
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<String>,

    /// Its account, twelve digits [default: the server's own]
    #[arg(long, value_name = "ID")]
    account: Option<String>,

    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Make a policy of a JSON file (`-` for standard input), or put another text in its place
    Put { name: String, file: PathBuf },
    /// Show a policy
    Show { name: String },
    /// Name all policies, the built-in ones too
    List,
    /// Take away a policy that is attached to nobody
    Remove { name: String },
    /// Give a user or role a policy
    Attach {
        policy: String,
        #[command(flatten)]
        to: Holder,
    },
    /// Take a policy from a user or role
    Detach {
        policy: String,
        #[command(flatten)]
        to: Holder,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Holder {
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
}

#[derive(Debug, Subcommand)]
enum RoleCommand {
    /// Say what functions may do whose role is arn:aws:iam::ACCOUNT:role/NAME
    Create {
        name: String,
        /// A policy that it has; may be given several times
        #[arg(long = "policy", value_name = "POLICY")]
        policies: Vec<String>,
    },
    Remove {
        name: String,
    },
}

/// How a new key is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// Lines for a shell
    Env,
    /// A profile for ~/.aws/credentials
    Ini,
    Json,
}

/// Blocks: nothing else goes on in this process.
pub(crate) fn run(arguments: CredentialsArguments) -> Result<ExitCode> {
    let file = match arguments.credentials {
        Some(path) => CredentialsFile::new(std::path::absolute(path).context("the credentials file")?),
        None => CredentialsFile::of_data_directory(
            &std::path::absolute(arguments.data).context("the data directory")?,
        ),
    };
    match arguments.command {
        CredentialsCommand::Create(create) => self::create(&file, create)?,
        CredentialsCommand::List { json } => list(&there(&file)?, json),
        CredentialsCommand::Rotate { name, keep_old, format } => {
            there(&file)?;
            let key = file.edit(|all| all.rotate(&name, keep_old, now()))?;
            show(&name, &key, format);
            if keep_old && format == Format::Text {
                note(
                    "The old key is good until you take it away: millstream credentials remove NAME --key ID",
                );
            }
        }
        CredentialsCommand::Remove { name, key: None } => {
            there(&file)?;
            file.edit(|all| all.remove_user(&name))?;
            say(format_args!("User {name} is gone, and its keys with it."));
        }
        CredentialsCommand::Remove { name, key: Some(key) } => {
            there(&file)?;
            file.edit(|all| all.remove_key(&name, &key))?;
            say(format_args!("Key {key} is gone."));
        }
        CredentialsCommand::Policy(command) => policy(&file, command)?,
        CredentialsCommand::Role(RoleCommand::Create { name, policies }) => {
            there(&file)?;
            file.edit(|all| all.create_role(&name, &policies))?;
            say(format_args!(
                "Functions with the role {name} may now do what its policies say, and nothing else."
            ));
        }
        CredentialsCommand::Role(RoleCommand::Remove { name }) => {
            there(&file)?;
            file.edit(|all| all.remove_role(&name))?;
            say(format_args!("Role {name} is gone: its functions may do what {} says.", builtin::FUNCTION));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> millstream_types::Timestamp {
    SystemClock::new().now()
}

/// What the file says. Only `create` makes one: a command for another directory than meant must not lock that.
fn there(file: &CredentialsFile) -> Result<Document> {
    file.read()?.with_context(|| {
        format!(
            "there are no credentials in {}: make some with `millstream credentials create`",
            file.path().display()
        )
    })
}

fn create(file: &CredentialsFile, arguments: CreateArguments) -> Result<()> {
    let CreateArguments { name, admin, mut policies, account, format } = arguments;
    if admin {
        policies.push(builtin::ADMINISTRATOR.to_owned());
    }
    let is_first = file.read()?.is_none();
    let key = file.edit(|all| all.create_user(&name, account.as_deref(), &policies, now()))?;
    show(&name, &key, format);
    if format == Format::Text {
        if policies.is_empty() {
            note(format_args!(
                "\n{name} may do nothing yet. Give it a policy: millstream credentials policy attach POLICY --user {name}"
            ));
        }
        if is_first {
            note(format_args!(
                "\nFrom now on every request to a server with {} must be signed.",
                file.path().display()
            ));
        }
    }
    Ok(())
}

/// The one time that a secret is shown.
fn show(name: &str, key: &Key, format: Format) {
    let (id, secret) = (&key.id, key.secret.reveal());
    match format {
        Format::Text => {
            say(format_args!(
                "The key of {name}. Its secret is shown only now.\n\nFor ~/.aws/credentials:\n"
            ));
            show(name, key, Format::Ini);
            say("\nFor a shell:\n");
            show(name, key, Format::Env);
        }
        Format::Env => {
            say(format_args!("export AWS_ACCESS_KEY_ID={id}\nexport AWS_SECRET_ACCESS_KEY={secret}"));
        }
        Format::Ini => {
            say(format_args!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}"));
        }
        Format::Json => say(json!({"UserName": name, "AccessKeyId": id, "SecretAccessKey": secret})),
    }
}

fn list(all: &Document, as_json: bool) {
    if as_json {
        let users = all.users.iter().map(|(name, user)| {
            let keys: Vec<_> =
                user.keys.iter().map(|key| json!({"id": key.id, "created": key.created})).collect();
            json!({"name": name, "account": user.account, "keys": keys, "policies": user.policies})
        });
        let roles = all.roles.iter().map(|(name, role)| json!({"name": name, "policies": role.policies}));
        let (users, roles): (Vec<_>, Vec<_>) = (users.collect(), roles.collect());
        say(json!({"users": users, "roles": roles, "policies": all.policies.keys().collect::<Vec<_>>()}));
        return;
    }
    let attached = |policies: &[String]| {
        if policies.is_empty() { "no policies".to_owned() } else { policies.join(", ") }
    };
    for (name, user) in &all.users {
        let account =
            user.account.as_ref().map(|account| format!(" (account {account})")).unwrap_or_default();
        say(format_args!("user  {name}{account}: {}", attached(&user.policies)));
        for key in &user.keys {
            let (year, month, day, ..) = key.created.civil();
            say(format_args!("      {} made {year:04}-{month:02}-{day:02}", key.id));
        }
    }
    for (name, role) in &all.roles {
        say(format_args!("role  {name}: {}", attached(&role.policies)));
    }
}

fn policy(file: &CredentialsFile, command: PolicyCommand) -> Result<()> {
    let all = there(file)?;
    match command {
        PolicyCommand::Put { name, file: source } => {
            let text = text_of(&source)?;
            file.edit(|all| all.put_policy(&name, &text))?;
            say(format_args!("Policy {name} is kept."));
        }
        PolicyCommand::Show { name } => {
            let text = all.policy_text(&name).with_context(|| format!("there is no policy {name}"))?;
            let value: serde_json::Value = serde_json::from_str(&text).context("the policy's text")?;
            say(format_args!("{value:#}"));
        }
        PolicyCommand::List => {
            for name in all.policies.keys() {
                say(name);
            }
            for name in builtin::names() {
                say(format_args!("{name} (built in)"));
            }
        }
        PolicyCommand::Remove { name } => {
            file.edit(|all| all.remove_policy(&name))?;
            say(format_args!("Policy {name} is gone."));
        }
        PolicyCommand::Attach { policy, to } => {
            file.edit(|all| match (&to.user, &to.role) {
                (Some(user), _) => all.attach(&policy, user),
                (None, role) => all.attach_to_role(&policy, role.as_deref().unwrap_or_default()),
            })?;
            say(format_args!("Policy {policy} is attached."));
        }
        PolicyCommand::Detach { policy, to } => {
            file.edit(|all| match (&to.user, &to.role) {
                (Some(user), _) => all.detach(&policy, user),
                (None, role) => all.detach_from_role(&policy, role.as_deref().unwrap_or_default()),
            })?;
            say(format_args!("Policy {policy} is detached."));
        }
    }
    Ok(())
}

fn text_of(source: &Path) -> Result<String> {
    if source != Path::new("-") {
        return millstream_host::fs::read_to_string(source)
            .with_context(|| format!("cannot read {}", source.display()));
    }
    let mut text = String::new();
    let most = u64::try_from(millstream_iam::caps::POLICY_BYTES).unwrap_or(u64::MAX) + 1;
    std::io::stdin().take(most).read_to_string(&mut text).context("cannot read standard input")?;
    ensure!(!text.is_empty(), "standard input is empty");
    Ok(text)
}
