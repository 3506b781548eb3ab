//! The verbs of the orders service, its limits, and that nothing acknowledged is lost or shown twice.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::limits::{ORDER_REASON_BYTES_MAX, ORDERS_BYTES_PER_CALL_MAX, ORDERS_BYTES_PER_PAGE};

fn satellite(n: u8) -> NodeId {
    let mut bytes = [n; 32];
    bytes[31] = 0;
    NodeId::from_bytes(&bytes).unwrap()
}

fn order(of: u8, n: u32) -> Info {
    let mut serial = vec![of; 16];
    serial[..4].copy_from_slice(&n.to_be_bytes());
    Info {
        satellite: satellite(of),
        serial,
        limit: vec![1; 300],
        order: vec![2; 120],
        expires: Timestamp::from_nanos(i64::from(n)),
    }
}

fn large(of: u8, n: u32) -> Info {
    Info { limit: vec![1; ORDER_BYTES_MAX], order: vec![2; ORDER_BYTES_MAX], ..order(of, n) }
}

fn answer(info: &Info, status: Status) -> ArchiveRequest {
    let (satellite, serial) = (info.satellite, info.serial.clone());
    ArchiveRequest { satellite, serial, status, reason: "because".into() }
}

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// What a listing found, as the numbers of its orders.
fn numbers(infos: &[Info]) -> Vec<i64> {
    infos.iter().map(|info| info.expires.as_nanos()).collect()
}

async fn open() -> (TempDir, PathBuf, Orders) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("orders.db");
    let orders = Orders::open(&path).await.unwrap();
    (home, path, orders)
}

async fn filled(infos: impl IntoIterator<Item = Info>) -> (TempDir, PathBuf, Orders) {
    let (home, path, orders) = open().await;
    let enqueue = infos.into_iter().map(|info| orders.enqueue(info));
    // Unconstrained, so that they are enqueued in this order however many they are.
    tokio::task::unconstrained(futures::future::try_join_all(enqueue)).await.unwrap();
    (home, path, orders)
}

#[tokio::test]
async fn an_order_goes_from_unsent_to_archived_once() {
    let (a, b, other) = (order(1, 1), order(1, 2), order(2, 1));
    let (_home, _, orders) = filled([a.clone(), b.clone(), other.clone()]).await;
    assert_eq!(orders.list_unsent(10).await.unwrap(), [a.clone(), b.clone(), other.clone()]);
    assert_eq!(orders.list_unsent(1).await.unwrap(), std::slice::from_ref(&a));
    assert_eq!(orders.list_unsent(0).await.unwrap(), []);
    let groups = orders.list_unsent_by_satellite(10).await.unwrap();
    let expected =
        [(satellite(1), vec![a.clone(), b.clone()]), (satellite(2), vec![other.clone()])];
    assert_eq!(groups, expected);
    assert_eq!(orders.count_unsent().await.unwrap(), [(satellite(1), 2), (satellite(2), 1)]);

    let unknown = order(3, 9);
    let odd = ArchiveRequest { serial: vec![1, 2, 3], ..answer(&a, Status::Accepted) };
    let requests = vec![
        answer(&a, Status::Accepted),
        answer(&unknown, Status::Accepted),
        answer(&a, Status::Rejected),
        odd,
        answer(&other, Status::Rejected),
    ];
    let missing = orders.archive(requests, at(50)).await.unwrap();
    assert_eq!(missing, [unknown.serial, a.serial.clone(), vec![1, 2, 3]]);
    let counts = Counts { unsent: 1, accepted: 1, rejected: 1 };
    assert_eq!(orders.counts().await.unwrap(), counts);
    assert_eq!(orders.list_unsent(10).await.unwrap(), [b]);
    let archived =
        |info, status| Archived { info, status, reason: "because".into(), archived: at(50) };
    let (newest, oldest) = (archived(other, Status::Rejected), archived(a, Status::Accepted));
    assert_eq!(orders.list_archived(10).await.unwrap(), [newest.clone(), oldest]);
    assert_eq!(orders.list_archived(1).await.unwrap(), [newest]);
    assert_eq!(orders.archive(vec![], at(60)).await.unwrap(), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn what_is_no_new_order_is_refused() {
    let (unsent, archived) = (order(1, 1), order(1, 2));
    let (_home, _, orders) = filled([unsent.clone(), archived.clone()]).await;
    orders.archive(vec![answer(&archived, Status::Accepted)], at(1)).await.unwrap();
    let same_serial = Info { satellite: satellite(2), ..unsent.clone() };
    let most = Info { serial: vec![9; 16], ..large(1, 3) };
    for fine in [same_serial, most.clone()] {
        orders.enqueue(fine).await.unwrap();
    }
    let known = |serial: &str| {
        format!(
            "enqueue order {serial} for satellite {}: it is there already, unsent or archived",
            satellite(1)
        )
    };
    let rows = [
        (Info { limit: vec![], ..unsent }, known("00000001010101010101010101010101")),
        (Info { order: vec![], ..archived }, known("00000002010101010101010101010101")),
        (
            Info { serial: vec![], ..order(1, 4) },
            "enqueue order: a serial number has 16 bytes, this one has 0".to_owned(),
        ),
        (
            Info { serial: vec![7; 17], ..order(1, 4) },
            "enqueue order: a serial number has 16 bytes, this one has 17".to_owned(),
        ),
        (
            Info { limit: vec![0; ORDER_BYTES_MAX + 1], ..order(1, 4) },
            "bytes of the order limit to enqueue: 32769, at most 32768 are taken".to_owned(),
        ),
        (
            Info { order: vec![0; ORDER_BYTES_MAX + 1], ..order(1, 4) },
            "bytes of the order to enqueue: 32769, at most 32768 are taken".to_owned(),
        ),
    ];
    for (info, message) in rows {
        assert_eq!(orders.enqueue(info).await.unwrap_err().to_string(), message);
    }
    let many = vec![answer(&most, Status::Accepted); ORDERS_PER_CALL_MAX as usize + 1];
    let err = orders.archive(many, at(1)).await.unwrap_err();
    assert!(matches!(err, Error::TooLarge { size: 10_001, max: 10_000, .. }), "{err}");
}

#[tokio::test]
async fn one_of_many_equal_orders_wins() {
    let (_home, _, orders) = open().await;
    let tries = futures::future::join_all((0..50).map(|_| orders.enqueue(order(1, 1)))).await;
    assert_eq!(tries.iter().filter(|answer| answer.is_ok()).count(), 1);
    let refused = |answer: &&Result<(), Error>| matches!(answer, Err(Error::Exists { .. }));
    assert_eq!(tries.iter().filter(refused).count(), 49);
}

#[tokio::test]
async fn the_archive_is_cleaned_by_time_in_batches() {
    let count = ORDERS_CLEANED_AT_ONCE + 10;
    let old: Vec<_> = (0..count).map(|n| order(1, n)).collect();
    let (_home, _, orders) = filled(old.clone().into_iter().chain([order(2, 1)])).await;
    let requests = old.iter().map(|info| answer(info, Status::Accepted)).collect();
    orders.archive(requests, at(50)).await.unwrap();
    orders.archive(vec![answer(&order(2, 1), Status::Rejected)], at(51)).await.unwrap();
    for (before, deleted) in [(50, 0), (51, u64::from(count)), (51, 0), (i64::MAX, 1)] {
        assert_eq!(orders.clean_archive(at(before)).await.unwrap(), deleted, "before {before}");
    }
    // What is forgotten may come again.
    orders.enqueue(order(2, 1)).await.unwrap();
}

#[tokio::test]
async fn a_listing_has_room_for_every_satellite() {
    // Satellite 1 has been away for long, 2 is busy, 3 is quiet.
    let backlog = (0..3000).map(|n| order(1, n));
    let (_home, _, orders) =
        filled(backlog.chain((0..20).map(|n| order(2, n))).chain([order(3, 0)])).await;
    for (limit, expected) in [
        (0, vec![]),
        (1, vec![1]),
        (3, vec![1, 1, 1]),
        (30, vec![14, 15, 1]),
        (100, vec![79, 20, 1]),
        (10_000, vec![3000, 20, 1]),
    ] {
        let groups = orders.list_unsent_by_satellite(limit).await.unwrap();
        let sizes: Vec<_> = groups.iter().map(|(_, infos)| infos.len()).collect();
        assert_eq!(sizes, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn a_listing_and_a_page_have_a_limit_in_bytes() {
    let (_home, _, orders) = filled((0..200).map(|n| large(1, n)).chain([order(2, 0)])).await;
    let bytes = |infos: &[Info]| infos.iter().map(row::size).sum::<usize>();
    let listed = orders.list_unsent(1000).await.unwrap();
    assert_eq!(bytes(&listed), ORDERS_BYTES_PER_CALL_MAX);
    let groups = orders.list_unsent_by_satellite(1000).await.unwrap();
    let all: usize = groups.iter().map(|(_, infos)| bytes(infos)).sum();
    assert_eq!(groups.len(), 2);
    assert!(all <= ORDERS_BYTES_PER_CALL_MAX, "{all}");
    let (page, next) = orders.unsent_page(satellite(1), None, 1000).await.unwrap();
    assert_eq!(bytes(&page), ORDERS_BYTES_PER_PAGE);
    let (more, _) = orders.unsent_page(satellite(1), next, 1000).await.unwrap();
    assert_eq!(numbers(&more)[0], numbers(&page)[page.len() - 1] + 1);
    let requests = (0..200).map(|n| answer(&order(1, n), Status::Accepted)).collect();
    orders.archive(requests, at(1)).await.unwrap();
    let archived = orders.list_archived(1000).await.unwrap();
    let bytes: usize = archived.iter().map(|found| row::size(&found.info)).sum();
    assert!(bytes > ORDERS_BYTES_PER_CALL_MAX - 3 * ORDER_BYTES_MAX, "{bytes}");
    assert!(bytes <= ORDERS_BYTES_PER_CALL_MAX, "{bytes}");
}

#[tokio::test]
async fn pages_cover_each_order_once_while_others_come_and_go() {
    let orders_of_two = (0..10).flat_map(|n| [order(1, n), order(2, n)]);
    let (_home, _, orders) = filled(orders_of_two).await;
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (page, next) = orders.unsent_page(satellite(1), after, 3).await.unwrap();
        assert!(page.len() <= 3);
        // Everything of this page leaves, and one that is not yet read; something new comes.
        let mut leaving: Vec<_> = page.iter().map(|info| answer(info, Status::Accepted)).collect();
        if pages == 0 {
            leaving.push(answer(&order(1, 7), Status::Rejected));
        }
        orders.archive(leaving, at(1)).await.unwrap();
        orders.enqueue(order(1, 100 + pages)).await.unwrap();
        seen.extend(numbers(&page));
        pages += 1;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 8, 9]);
    let (page, next) = orders.unsent_page(satellite(1), None, 0).await.unwrap();
    assert_eq!((numbers(&page), next.is_some()), (vec![100], true), "no limit still moves on");
    let (page, next) = orders.unsent_page(satellite(9), None, 3).await.unwrap();
    assert_eq!((page, next), (vec![], None));
}

#[tokio::test]
async fn a_row_that_is_no_order_stops_nobody() {
    let infos = [order(1, 1), order(1, 2), order(1, 3), order(1, 4), order(2, 5)];
    let (_home, path, orders) = filled(infos.clone()).await;
    orders.archive(vec![answer(&infos[3], Status::Accepted)], at(1)).await.unwrap();
    orders.archive(vec![answer(&infos[4], Status::Accepted)], at(1)).await.unwrap();
    let spoil = "UPDATE unsent SET serial = x'01' WHERE id = 1;
        INSERT INTO unsent VALUES (99, x'0102', zeroblob(16), x'', x'', 0, 0);
        INSERT INTO unsent VALUES (100, x'0102', zeroblob(15), x'', x'', 0, 0);
        UPDATE archived SET status = 7 WHERE id = 1";
    rusqlite::Connection::open(&path).unwrap().execute_batch(spoil).unwrap();

    assert_eq!(numbers(&orders.list_unsent(10).await.unwrap()), [2, 3]);
    assert_eq!(orders.skipped(), 3);
    let groups = orders.list_unsent_by_satellite(10).await.unwrap();
    assert_eq!(groups, [(satellite(1), vec![infos[1].clone(), infos[2].clone()])]);
    assert_eq!(orders.count_unsent().await.unwrap(), [(satellite(1), 3)]);
    let (mut seen, mut after) = (Vec::new(), None);
    while let (page, Some(next)) = orders.unsent_page(satellite(1), after, 1).await.unwrap() {
        seen.extend(numbers(&page));
        after = Some(next);
    }
    assert_eq!(seen, [2], "a page of one, left out, does not end the pages");
    let archived = orders.list_archived(10).await.unwrap();
    assert_eq!(archived.iter().map(|found| &found.info).collect::<Vec<_>>(), [&infos[4]]);
}

#[tokio::test]
async fn a_long_reason_is_cut_between_characters() {
    let info = order(1, 1);
    let (_home, _, orders) = filled([info.clone()]).await;
    let reason = format!("x{}", "é".repeat(ORDER_REASON_BYTES_MAX));
    let request = ArchiveRequest { reason: reason.clone(), ..answer(&info, Status::Rejected) };
    orders.archive(vec![request], at(1)).await.unwrap();
    let kept = orders.list_archived(1).await.unwrap().remove(0).reason;
    assert_eq!(kept.len(), ORDER_REASON_BYTES_MAX - 1);
    assert!(reason.starts_with(&kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_enqueue_while_others_list_archive_and_clean() {
    const TASKS: u8 = 8;
    const EACH: u32 = 500;
    let (_home, path, orders) = open().await;
    let enqueue = |task: u8| {
        let orders = orders.clone();
        tokio::spawn(async move {
            for chunk in 0..EACH / 50 {
                let infos = (chunk * 50..(chunk + 1) * 50).map(|n| order(task, n));
                let all = infos.map(|info| orders.enqueue(info));
                futures::future::try_join_all(all).await.unwrap();
            }
        })
    };
    let send = |task: u8| {
        let orders = orders.clone();
        tokio::spawn(async move {
            let mut archived = 0;
            // Every second order is accepted, until all that will be has been.
            while archived < EACH / 2 {
                let mut after = None;
                loop {
                    let page = orders.unsent_page(satellite(task), after, 64).await.unwrap();
                    let even = page.0.iter().filter(|info| info.expires.as_nanos() % 2 == 0);
                    let requests: Vec<_> =
                        even.map(|info| answer(info, Status::Accepted)).collect();
                    archived += u32::try_from(requests.len()).unwrap();
                    assert!(orders.archive(requests, at(1)).await.unwrap().is_empty());
                    match page.1 {
                        Some(next) => after = Some(next),
                        None => break,
                    }
                }
                assert!(orders.list_unsent_by_satellite(100).await.unwrap().len() <= TASKS.into());
                orders.counts().await.unwrap();
                assert_eq!(orders.clean_archive(at(1)).await.unwrap(), 0);
            }
        })
    };
    let tasks: Vec<_> = (0..TASKS).flat_map(|task| [enqueue(task), send(task)]).collect();
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    let half = u64::from(TASKS) * u64::from(EACH) / 2;
    let counts = Counts { unsent: half, accepted: half, rejected: 0 };
    // As another process sees it, without a close.
    let look = Orders::open_read_only(&path).await.unwrap();
    assert_eq!(look.counts().await.unwrap(), counts);
    drop((orders, look));
    let again = Orders::open(&path).await.unwrap();
    assert_eq!(again.counts().await.unwrap(), counts);
    let left = again.list_unsent(ORDERS_PER_CALL_MAX).await.unwrap();
    assert!(left.iter().all(|info| info.expires.as_nanos() % 2 == 1));
}
