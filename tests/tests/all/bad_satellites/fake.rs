//! Satellites that answer as they like, and lines to them that break after so many bytes.

use std::sync::Arc;

use chore_host::identity::{Identity, PublicIdentity};
use chore_host::node_id::{NodeId, NodeUrl};
use chore_host::transport::{Handler, Incoming, Outgoing, Routes, Server, ServerOptions};
use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;

/// What it does with a stream of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Accepts,
    /// Not even headers.
    HangsAtOnce,
    /// Headers, and no answer.
    HangsBeforeAnswers,
    /// After three.
    HangsInTheMiddle,
    EndsInTheMiddle,
    FailsInTheMiddle,
    /// In protobuf's eyes.
    AnswersGarbage,
    /// More than a message may have.
    AnswersHuge,
    /// Serial numbers that it was never asked about.
    AnswersUnasked,
    /// Serial numbers of orders that another satellite pays for.
    AnswersAnothers,
    AnswersTwice,
    /// The last first, when all are there.
    AnswersBackwards,
    /// Neither yes nor no.
    AnswersNothing,
}

/// How the way back from it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    Silence,
    Garbage,
    Reset,
    End,
}

/// A satellite that runs until it is dropped.
pub struct Fake {
    pub url: NodeUrl,
    _server: Server,
}

impl Fake {
    pub async fn start(manner: Manner, anothers: Vec<Vec<u8>>) -> Fake {
        let identity = Arc::new(Identity::create().unwrap());
        let id = identity.id();
        let handler: Arc<dyn Handler> = Arc::new(Answers { manner, anothers });
        let routes: Routes = vec![(SETTLEMENT_METHOD, handler)];
        // It may say more than others take.
        let options = ServerOptions { message_bytes_max: 64 << 20, ..ServerOptions::default() };
        let server = Server::bind(identity, "127.0.0.1:0", routes, options).await.unwrap();
        server.serve();
        let address = server.local_addr().to_string();
        Fake { url: NodeUrl { id, address }, _server: server }
    }

    /// The same, reached over a line that breaks when so many bytes came back.
    pub async fn behind(mut self, how: Break, after: usize) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target =
            std::mem::replace(&mut self.url.address, listener.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let target = target.clone();
                tokio::spawn(async move {
                    // However it ends, it is the end of a line.
                    let _ = relay(near, &target, how, after).await;
                });
            }
        });
        self
    }

    /// The same, under a name that is not its own.
    pub fn called(mut self, id: NodeId) -> Fake {
        self.url.id = id;
        self
    }
}

async fn relay(near: TcpStream, target: &str, how: Break, after: usize) -> std::io::Result<()> {
    let far = TcpStream::connect(target).await?;
    let (mut far_read, mut far_write) = far.into_split();
    let (mut near_read, mut near_write) = near.into_split();
    let there = tokio::spawn(async move { tokio::io::copy(&mut near_read, &mut far_write).await });
    let (mut left, mut bytes) = (after, [0; 512]);
    while left > 0 {
        let most = left.min(bytes.len());
        let read = far_read.read(&mut bytes[..most]).await?;
        if read == 0 {
            return Ok(());
        }
        near_write.write_all(&bytes[..read]).await?;
        left -= read;
    }
    match how {
        Break::Silence => std::future::pending().await,
        Break::Garbage => {
            near_write.write_all(&[0x5a; 100_000]).await?;
            std::future::pending().await
        }
        Break::Reset => {
            near_write.as_ref().set_zero_linger()?;
            there.abort();
            Ok(())
        }
        Break::End => near_write.shutdown().await,
    }
}

struct Answers {
    manner: Manner,
    anothers: Vec<Vec<u8>>,
}

impl Handler for Answers {
    fn call(
        &self,
        _peer: Arc<PublicIdentity>,
        requests: Incoming,
    ) -> BoxFuture<'_, Result<Outgoing, Status>> {
        let manner = self.manner;
        if manner == Manner::HangsAtOnce {
            return std::future::pending().boxed();
        }
        let anothers = self.anothers.clone();
        let serials = requests.map(|request| {
            // The orders of these tests have their serial number where the limit belongs.
            request.map(|bytes| SettlementRequest::decode(&bytes[..]).unwrap().limit)
        });
        std::future::ready(Ok(answers(manner, serials.boxed(), anothers))).boxed()
    }
}

type Serials = stream::BoxStream<'static, Result<Vec<u8>, Status>>;

fn answers(manner: Manner, serials: Serials, anothers: Vec<Vec<u8>>) -> Outgoing {
    let accepted = |serial: Vec<u8>| response(serial, SettlementStatus::Accepted);
    let one = move |item: Result<Vec<u8>, Status>| item.map(accepted);
    let three = serials.map(one);
    match manner {
        Manner::Accepts => three.boxed(),
        Manner::HangsAtOnce | Manner::HangsBeforeAnswers => held(three.take(0).boxed(), None),
        Manner::HangsInTheMiddle => held(three.take(3).boxed(), None),
        Manner::EndsInTheMiddle => three.take(3).boxed(),
        Manner::FailsInTheMiddle => {
            held(three.take(3).boxed(), Some(Status::data_loss("the cellar is flooded")))
        }
        Manner::AnswersGarbage => three.map(|item| item.map(|_| vec![0xff; 100])).boxed(),
        Manner::AnswersHuge => three.map(|item| item.map(|_| vec![0x5a; 8 << 20])).boxed(),
        Manner::AnswersUnasked => {
            let other = |(nth, item): (usize, Result<Vec<u8>, Status>)| {
                let serial = vec![u8::try_from(nth).unwrap_or(0); 16];
                item.map(|_| response(serial, SettlementStatus::Accepted))
            };
            three.enumerate().map(other).boxed()
        }
        Manner::AnswersAnothers => {
            let other = move |(nth, item): (usize, Result<Vec<u8>, Status>)| {
                let serial = anothers[nth % anothers.len()].clone();
                item.map(|_| response(serial, SettlementStatus::Accepted))
            };
            three.enumerate().map(other).boxed()
        }
        Manner::AnswersTwice => three.flat_map(|item| stream::iter([item.clone(), item])).boxed(),
        Manner::AnswersBackwards => {
            let all = three.collect::<Vec<_>>();
            all.map(|all| stream::iter(all.into_iter().rev())).flatten_stream().boxed()
        }
        Manner::AnswersNothing => {
            let nothing = |item: Result<Vec<u8>, Status>| {
                let answer = item.map(|bytes| SettlementResponse::decode(&bytes[..]).unwrap())?;
                Ok(response(answer.serial_number, SettlementStatus::Invalid))
            };
            three.map(nothing).boxed()
        }
    }
}

/// The answers, then a failure or nothing ever.
fn held(answers: Outgoing, failure: Option<Status>) -> Outgoing {
    let end = async move {
        match failure {
            Some(status) => Err(status),
            None => std::future::pending().await,
        }
    };
    answers.chain(stream::once(end)).boxed()
}

fn response(serial_number: Vec<u8>, status: SettlementStatus) -> Vec<u8> {
    SettlementResponse { serial_number, status: status.into(), reason: String::new() }
        .encode_to_vec()
}
