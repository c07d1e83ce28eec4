//! In which order shards are read: none before all of its parents are read to their end.
//!
//! The shards to begin with cover the whole space of hash keys, so that every other shard comes up as a child of one that is
//! read. A child of two parents comes up twice, and is read when the second one has ended.

use std::collections::{BTreeMap, HashSet};

/// A shard that came out of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child<S> {
    pub(super) id: String,
    pub(super) parents: Vec<String>,
    /// Whatever is to be known when it is read.
    pub(super) shard: S,
}

/// What is being read, what was, and what waits.
#[derive(Debug)]
pub(super) struct Tree<S> {
    begun: HashSet<String>,
    ended: HashSet<String>,
    waiting: BTreeMap<String, Child<S>>,
}

impl<S> Tree<S> {
    /// Shards that are read from the beginning on.
    pub(super) fn new(roots: impl IntoIterator<Item = String>) -> Self {
        Self { begun: roots.into_iter().collect(), ended: HashSet::new(), waiting: BTreeMap::new() }
    }

    /// Shards that are known.
    pub(super) fn len(&self) -> usize {
        self.begun.len() + self.waiting.len()
    }

    /// A shard was read to its end; these are its children. Returns those that can be read now.
    pub(super) fn end(&mut self, id: &str, children: Vec<Child<S>>) -> Vec<Child<S>> {
        self.ended.insert(id.to_owned());
        for child in children {
            if !self.begun.contains(&child.id) {
                self.waiting.entry(child.id.clone()).or_insert(child);
            }
        }
        let ended = &self.ended;
        let ready = |child: &Child<S>| child.parents.iter().all(|parent| ended.contains(parent));
        let ready = self.waiting.iter().filter(|(_, child)| ready(child)).map(|(id, _)| id.clone());
        let ready: Vec<_> = ready.collect();
        self.begin(ready)
    }

    /// Nothing is being read any more: what waits, waits for a parent that is gone. Returns all of it.
    pub(super) fn release(&mut self) -> Vec<Child<S>> {
        let all = self.waiting.keys().cloned().collect();
        self.begin(all)
    }

    fn begin(&mut self, ids: Vec<String>) -> Vec<Child<S>> {
        let begun: Vec<_> = ids.iter().filter_map(|id| self.waiting.remove(id)).collect();
        self.begun.extend(ids);
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(id: &str, parents: &[&str]) -> Child<()> {
        Child { id: id.into(), parents: parents.iter().map(|&parent| parent.to_owned()).collect(), shard: () }
    }

    fn ids(children: &[Child<()>]) -> Vec<&str> {
        children.iter().map(|child| child.id.as_str()).collect()
    }

    #[test]
    fn a_split_gives_both_children_at_once() {
        let mut tree = Tree::new(["a".to_owned()]);
        let begun = tree.end("a", vec![child("b", &["a"]), child("c", &["a"])]);
        assert_eq!(ids(&begun), ["b", "c"]);
        assert!(tree.end("b", vec![]).is_empty());
        assert_eq!(tree.len(), 3);
    }

    #[test]
    fn a_merge_waits_for_both_parents() {
        let mut tree = Tree::new(["a".to_owned(), "b".to_owned()]);
        assert!(tree.end("b", vec![child("c", &["a", "b"])]).is_empty());
        assert_eq!(ids(&tree.end("a", vec![child("c", &["a", "b"])])), ["c"]);
        assert!(tree.release().is_empty(), "nothing is read twice");
    }

    #[test]
    fn a_parent_that_is_itself_a_grandchild_is_waited_for() {
        // a splits into c and d; then d merges with b into e.
        let mut tree = Tree::new(["a".to_owned(), "b".to_owned()]);
        assert!(tree.end("b", vec![child("e", &["d", "b"])]).is_empty());
        assert_eq!(ids(&tree.end("a", vec![child("c", &["a"]), child("d", &["a"])])), ["c", "d"]);
        assert_eq!(ids(&tree.end("d", vec![child("e", &["d", "b"])])), ["e"]);
    }

    #[test]
    fn a_parent_that_expired_does_not_hold_its_child_for_ever() {
        let mut tree = Tree::new(["a".to_owned()]);
        assert!(tree.end("a", vec![child("c", &["a", "gone"])]).is_empty());
        assert_eq!(ids(&tree.release()), ["c"]);
    }
}
