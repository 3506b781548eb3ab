//! Shows the orders of a home from its database, read-only, whether its peer runs or not.

use chore_proto::Order;
use clap::{Args, Subcommand};
use prost::Message;
use serde::Serialize;
use serde_json::json;

use super::Error;
use super::output::Out;
use super::show;
use crate::limits::ORDERS_PER_CALL_MAX;
use crate::orders::{Archived, Info, Orders, Status};
use crate::peer::Home;
use crate::units::hex;

/// Orders that are listed when nothing else is asked for: what fits a few screens.
const LIMIT: u32 = 100;

#[derive(Subcommand)]
pub(super) enum What {
    /// Orders that wait to be sent, the oldest first
    Unsent(Limit),
    /// Orders that a satellite has answered
    Archived(Limit),
    /// How many there are of each
    Count,
}

#[derive(Args)]
pub(super) struct Limit {
    /// List at most N orders
    #[arg(
        long,
        value_name = "N",
        default_value_t = LIMIT,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ORDERS_PER_CALL_MAX)),
    )]
    limit: u32,
}

/// One order, as `--json` shows it. What is not in the archive has no verdict.
#[derive(Serialize)]
struct OrderView {
    satellite: String,
    /// Hexadecimal.
    serial: String,
    /// Bytes that were served; `None` if the order cannot be read.
    amount: Option<i64>,
    /// RFC 3339.
    expires: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

#[derive(Serialize)]
struct Verdict {
    status: &'static str,
    reason: String,
    /// RFC 3339.
    archived: String,
}

impl From<Info> for OrderView {
    fn from(info: Info) -> OrderView {
        OrderView {
            satellite: info.satellite.to_string(),
            serial: hex(&info.serial),
            amount: Order::decode(info.order.as_slice()).ok().map(|order| order.amount),
            expires: show::rfc3339(info.expires),
            verdict: None,
        }
    }
}

impl From<Archived> for OrderView {
    fn from(archived: Archived) -> OrderView {
        let status = match archived.status {
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
        };
        let at = show::rfc3339(archived.archived);
        let verdict = Verdict { status, reason: archived.reason, archived: at };
        OrderView { verdict: Some(verdict), ..OrderView::from(archived.info) }
    }
}

pub(super) async fn show(out: &Out, home: &Home, what: What) -> Result<u8, Error> {
    let path = home.orders();
    if !path.exists() {
        return Err(Error::NoOrders { home: home.root().into(), path });
    }
    let orders = Orders::open_read_only(&path).await?;
    let counts = orders.counts().await?;
    match what {
        What::Unsent(Limit { limit }) => {
            let found = orders.list_unsent(limit).await?;
            list(out, found.into_iter().map(OrderView::from).collect(), counts.unsent)?;
        }
        What::Archived(Limit { limit }) => {
            let found = orders.list_archived(limit).await?;
            let all = counts.accepted.saturating_add(counts.rejected);
            list(out, found.into_iter().map(OrderView::from).collect(), all)?;
        }
        What::Count => {
            let (unsent, accepted, rejected) = (counts.unsent, counts.accepted, counts.rejected);
            let value = json!({ "unsent": unsent, "accepted": accepted, "rejected": rejected });
            out.show(&value, || {
                format!("unsent    {unsent}\naccepted  {accepted}\nrejected  {rejected}")
            })?;
        }
    }
    Ok(0)
}

fn list(out: &Out, views: Vec<OrderView>, all: u64) -> Result<(), Error> {
    out.show(&views, || text(&views, all))
}

fn text(views: &[OrderView], all: u64) -> String {
    if views.is_empty() {
        return "none".to_owned();
    }
    let mut head = vec!["SATELLITE", "SERIAL", "AMOUNT", "EXPIRES"];
    if views.iter().any(|view| view.verdict.is_some()) {
        head.extend(["STATUS", "ARCHIVED", "REASON"]);
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for view in views {
        let amount = view.amount.map_or("unreadable".to_owned(), |amount| amount.to_string());
        let mut row =
            vec![view.satellite.clone(), view.serial.clone(), amount, view.expires.clone()];
        if let Some(verdict) = &view.verdict {
            row.extend([verdict.status.to_owned(), verdict.archived.clone()]);
            row.push(show::plain(&verdict.reason));
        }
        rows.push(row);
    }
    let shown = views.len() as u64;
    let more = match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("\n\nand {more} more: see them with --limit"),
    };
    format!("{}{more}", show::table(&rows))
}
