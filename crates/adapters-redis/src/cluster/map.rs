//! Which node of a cluster has which slots, as far as this process has heard.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use super::slots::{Address, SLOTS};
use crate::link::Link;
use crate::nodes::NodeId;

/// A server, with a way to it for the batches of the gate, and one for those of
/// the rate limiter.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) links: [Arc<Link>; 2],
}

/// The nodes by their numbers, and the number of each slot's.
pub(super) struct Map {
    pub(super) nodes: Vec<Node>,
    slots: Vec<NodeId>,
    /// When a cluster said so; never, as long as it is a guess.
    pub(super) learned_at: Option<Instant>,
}

impl Map {
    /// That the first of these has everything.
    pub(super) fn guess(nodes: Vec<Node>) -> Self {
        Self {
            nodes,
            slots: vec![NodeId(0); usize::from(SLOTS)],
            learned_at: None,
        }
    }

    pub(super) fn of_slot(&self, slot: u16) -> NodeId {
        self.slots[usize::from(slot)]
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        // The number may be one of a moment ago, and there is always a first node.
        let index = usize::from(id.0);
        self.nodes.get(index).unwrap_or(&self.nodes[0])
    }

    pub(super) fn find(&self, address: &Address) -> Option<NodeId> {
        let index = self.nodes.iter().position(|node| node.address == *address);
        index.map(number)
    }

    /// Adds a node that has no slot yet.
    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        number(self.nodes.len() - 1)
    }

    /// Takes over what a cluster says. A node keeps its number; those that are no
    /// more leave theirs to new ones, so that there are never more than nodes.
    pub(super) fn take_over(
        &mut self,
        ranges: Vec<(RangeInclusive<u16>, Address)>,
        now: Instant,
        make: impl Fn(&Address) -> Option<Node>,
    ) {
        let is_there = |address: &Address| ranges.iter().any(|(_, at)| at == address);
        let mut gone: Vec<_> = (0..self.nodes.len())
            .filter(|&index| !is_there(&self.nodes[index].address))
            .rev()
            .collect();
        for (slots, address) in &ranges {
            let id = match self.find(address) {
                Some(id) => id,
                None => {
                    let Some(node) = make(address) else { continue };
                    match gone.pop() {
                        Some(index) => {
                            self.nodes[index] = node;
                            number(index)
                        }
                        None => self.add(node),
                    }
                }
            };
            let (first, last) = (usize::from(*slots.start()), usize::from(*slots.end()));
            if let Some(slots) = self.slots.get_mut(first..=last) {
                slots.fill(id);
            }
        }
        // The last ones can leave; a slot that nobody has must not name them.
        while let Some(index) = gone.first().copied()
            && index + 1 == self.nodes.len()
            && index > 0
        {
            gone.remove(0);
            self.nodes.pop();
        }
        let count = self.nodes.len();
        for slot in &mut self.slots {
            if usize::from(slot.0) >= count {
                *slot = NodeId(0);
            }
        }
        self.learned_at = Some(now);
    }
}

fn number(index: usize) -> NodeId {
    NodeId(u16::try_from(index).unwrap_or(u16::MAX))
}
