//! All nodes that cannot be computed, in one message.

use std::collections::HashSet;

use super::import::Importer;
use super::order;
use super::proto::NodeProto;
use crate::error::{Error, Result};

/// The most nodes that a message lists.
const MAX_LISTED: usize = 20;

impl<'m> Importer<'m> {
    /// Adds what computes `nodes`. Where some cannot be computed, goes on with those that do not depend on them, so
    /// that the error names all.
    pub(super) fn add_all(&mut self, nodes: &'m [NodeProto]) -> Result<()> {
        let mut unknown: HashSet<&str> = HashSet::new();
        let mut failures: Vec<Error> = Vec::new();
        for node in nodes {
            let reads = order::reads(node, 0).unwrap_or_default();
            let depends = reads.iter().any(|name| unknown.contains(name));
            let failure = match depends {
                true => None,
                false => self.add(node).err(),
            };
            if depends || failure.is_some() {
                unknown.extend(node.output.iter().map(String::as_str));
            }
            failures.extend(failure);
        }
        match failures.len() {
            0 => Ok(()),
            1 => Err(failures.swap_remove(0)),
            count => {
                let listed = failures
                    .iter()
                    .take(MAX_LISTED)
                    .map(|failure| match failure {
                        Error::File { reason, .. } => reason.clone(),
                        other => other.to_string(),
                    });
                let listed = listed.collect::<Vec<_>>().join("; ");
                let more = match count > MAX_LISTED {
                    true => "; …",
                    false => "",
                };
                Err(self
                    .model
                    .error(format!("{count} nodes cannot be computed: {listed}{more}")))
            }
        }
    }
}
