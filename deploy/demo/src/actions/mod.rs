//! What people at the made-up company do: one file per business action, one transaction each.
//!
//! An action finds its work in the database, never in memory, so that a rolled-back transaction
//! leaves no trace anywhere. It returns whether it found something to do.

mod cancel_order;
mod change_item;
mod change_supplier;
mod count_stock;
mod create_order;
mod delete_draft;
mod issue_stock;
mod open_item;
mod raise_prices;
mod receive_goods;
mod release_order;
mod save_order;
mod save_unchanged;
mod submit_order;
mod withdraw_item;

use rand::Rng;
use rand::rngs::StdRng;

use crate::database::Work;
use crate::desk::{Desk, Done};

/// A business action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// A draft with a few lines; it has no number yet.
    CreateOrder,
    /// An order saved after an edit: all its lines are deleted and written again.
    SaveOrder,
    /// An order saved without any edit.
    SaveUnchanged,
    /// A draft handed in for approval.
    SubmitOrder,
    /// An order approved and sent; now it gets its number.
    ReleaseOrder,
    /// Goods come in, in part or in full; the last ones close the order.
    ReceiveGoods,
    /// An order called off.
    CancelOrder,
    /// A draft thrown away.
    DeleteDraft,
    /// Goods taken out of stock.
    IssueStock,
    /// A count of what is there, mostly different from what should be.
    CountStock,
    /// An edit of an item's master data.
    ChangeItem,
    /// A new item.
    OpenItem,
    /// A new item that turns out not to be needed.
    WithdrawItem,
    /// An edit of a supplier's master data.
    ChangeSupplier,
    /// All prices of a company changed by one statement.
    RaisePrices,
}

impl Action {
    /// Every action, and how many of 1000 it is.
    const WEIGHTS: [(Self, u32); 15] = [
        (Self::CreateOrder, 130),
        (Self::SaveOrder, 100),
        (Self::SaveUnchanged, 45),
        (Self::SubmitOrder, 120),
        (Self::ReleaseOrder, 120),
        (Self::ReceiveGoods, 240),
        (Self::CancelOrder, 20),
        (Self::DeleteDraft, 20),
        (Self::IssueStock, 70),
        (Self::CountStock, 50),
        (Self::ChangeItem, 40),
        (Self::OpenItem, 12),
        (Self::WithdrawItem, 8),
        (Self::ChangeSupplier, 22),
        (Self::RaisePrices, 3),
    ];

    /// Every action.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WEIGHTS.into_iter().map(|(action, _)| action)
    }

    /// Picks one as often as people do it.
    pub(crate) fn pick(rng: &mut StdRng) -> Self {
        let mut rest = rng.random_range(0..Self::WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (action, weight) in Self::WEIGHTS {
            if rest < weight {
                return action;
            }
            rest -= weight;
        }
        Self::CreateOrder
    }

    /// Does it in an open transaction. False: there was nothing to do it to.
    pub(crate) async fn perform(self, work: &mut Work<'_>, rng: &mut StdRng) -> Done {
        let mut desk = Desk::new(work, rng);
        match self {
            Self::CreateOrder => create_order::run(&mut desk).await,
            Self::SaveOrder => save_order::run(&mut desk).await,
            Self::SaveUnchanged => save_unchanged::run(&mut desk).await,
            Self::SubmitOrder => submit_order::run(&mut desk).await,
            Self::ReleaseOrder => release_order::run(&mut desk).await,
            Self::ReceiveGoods => receive_goods::run(&mut desk).await,
            Self::CancelOrder => cancel_order::run(&mut desk).await,
            Self::DeleteDraft => delete_draft::run(&mut desk).await,
            Self::IssueStock => issue_stock::run(&mut desk).await,
            Self::CountStock => count_stock::run(&mut desk).await,
            Self::ChangeItem => change_item::run(&mut desk).await,
            Self::OpenItem => open_item::run(&mut desk).await,
            Self::WithdrawItem => withdraw_item::run(&mut desk).await,
            Self::ChangeSupplier => change_supplier::run(&mut desk).await,
            Self::RaisePrices => raise_prices::run(&mut desk).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_weights_are_parts_of_a_thousand_and_every_action_is_picked() {
        assert_eq!(Action::WEIGHTS.iter().map(|(_, weight)| weight).sum::<u32>(), 1000);
        let mut rng = StdRng::seed_from_u64(1);
        let picked: std::collections::HashSet<_> =
            (0..20_000).map(|_| Action::pick(&mut rng)).collect();
        assert!(Action::all().all(|action| picked.contains(&action)));
    }
}
