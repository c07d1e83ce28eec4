//! Functions run for real, in real sandboxes.

#[cfg(test)]
mod code;
#[cfg(test)]
mod common;
#[cfg(test)]
mod component;
#[cfg(test)]
mod death;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod escape;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod node;
mod provisioned;
mod python;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod workers;
