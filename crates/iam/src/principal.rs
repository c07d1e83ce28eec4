use std::fmt;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user.
    User { account: String, name: String, id: String },
    /// A session of a role, such as a function's: `role_arn` is the role's own ARN.
    Session { account: String, role_arn: String, session: String, id: String },
    /// Somebody who has not signed: only what a resource lets everybody do is allowed.
    Anonymous,
}

impl Principal {
    /// `arn:aws:iam::ACCOUNT:user/NAME` or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub fn arn(&self) -> String {
        match self {
            Self::User { account, name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Self::Session { account, session, .. } => {
                format!("arn:aws:sts::{account}:assumed-role/{}/{session}", self.role_name())
            }
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// What `aws:PrincipalArn` is: a session's is its role's.
    pub fn principal_arn(&self) -> String {
        match self {
            Self::User { .. } | Self::Anonymous => self.arn(),
            Self::Session { role_arn, .. } => role_arn.clone(),
        }
    }

    pub fn account(&self) -> &str {
        match self {
            Self::User { account, .. } | Self::Session { account, .. } => account,
            Self::Anonymous => "",
        }
    }

    /// `aws:userid`
    pub fn user_id(&self) -> String {
        match self {
            Self::User { id, .. } => id.clone(),
            Self::Session { id, session, .. } => format!("{id}:{session}"),
            Self::Anonymous => self.arn(),
        }
    }

    /// The role's name without its path; empty for others.
    fn role_name(&self) -> &str {
        match self {
            Self::User { .. } | Self::Anonymous => "",
            Self::Session { role_arn, .. } => role_arn.rsplit('/').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn())
    }
}

impl Principal {
    /// `aws:PrincipalType`
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "User",
            Self::Session { .. } => "AssumedRole",
            Self::Anonymous => "Anonymous",
        }
    }

    /// `aws:username`: sessions have none.
    pub(crate) fn user_name(&self) -> Option<&str> {
        match self {
            Self::User { name, .. } => Some(name),
            Self::Session { .. } | Self::Anonymous => None,
        }
    }
}
