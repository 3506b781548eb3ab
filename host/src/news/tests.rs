//! Who hears what, who has lost how much, and that nobody is waited for.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

fn news() -> News {
    News::new(Timestamp::from_nanos(7))
}

fn problem(n: usize) -> Event {
    let (at, chore) = (Timestamp::EPOCH, String::new());
    Event::Problem(ProblemRecord { at, chore, what: "test".into(), message: n.to_string() })
}

fn tell(news: &News, numbers: std::ops::Range<usize>) {
    numbers.for_each(|n| news.tell(|| problem(n)));
}

/// The events that are there: their messages, or what was lost.
fn heard(listener: &mut Listener) -> (Vec<String>, Option<Id>) {
    let mut said = Vec::new();
    let mut last = None;
    while let Some((id, event)) = listener.take() {
        last = Some(id);
        said.push(match event.as_ref() {
            Event::Problem(problem) => problem.message.clone(),
            Event::Lagged(Lagged { lost }) => format!("lost {lost:?}"),
            other => panic!("{other:?}"),
        });
    }
    (said, last)
}

#[tokio::test]
async fn each_listener_hears_all_that_happens_from_then_on() {
    let news = news();
    news.tell(|| panic!("nobody listens"));
    let mut first = news.listen(None);
    tell(&news, 0..2);
    let mut second = news.listen(None);
    tell(&news, 2..3);
    assert_eq!(heard(&mut first).0, ["0", "1", "2"]);
    assert_eq!(heard(&mut second).0, ["2"]);
    let waiting = tokio::spawn(async move { first.next().await.1 });
    tokio::task::yield_now().await;
    tell(&news, 3..4);
    let event = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!(*event, problem(3));
}

#[tokio::test]
async fn one_that_is_slow_is_told_how_much_it_has_lost() {
    let news = news();
    let mut slow = news.listen(None);
    tell(&news, 0..NEWS_KEPT + 5);
    let (said, _) = heard(&mut slow);
    assert_eq!((said.len(), &*said[0], &*said[1]), (NEWS_KEPT + 1, "lost Some(5)", "5"));
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_goes_on_where_it_was() {
    let news = news();
    let mut listener = news.listen(None);
    tell(&news, 0..3);
    let last = heard(&mut listener).1.unwrap();
    let id: Id = last.to_string().parse().unwrap();
    drop(listener);
    tell(&news, 3..5);
    let mut back = news.listen(Some(id));
    assert_eq!(heard(&mut back).0, ["3", "4"]);
    // Away for long: nothing is kept for it, and nobody knows how much it was.
    drop(back);
    tokio::time::advance(NEWS_LISTENER_RETURNS + Duration::from_secs(1)).await;
    tell(&news, 5..9);
    let mut late = news.listen(Some(id));
    tell(&news, 9..10);
    assert_eq!(heard(&mut late).0, ["lost None", "9"]);
    // Of another life of the peer.
    for other in ["8-1", "7-1000000"] {
        let mut listener = news.listen(Some(other.parse().unwrap()));
        tell(&news, 10..11);
        assert_eq!(heard(&mut listener).0, ["lost None", "10"], "{other}");
    }
    for wrong in ["", "1", "-", "a-1", "1-a"] {
        assert!(wrong.parse::<Id>().is_err(), "{wrong}");
    }
}
