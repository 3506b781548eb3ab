//! Calls that speak messages. It knows how they are encoded, and nothing of how they travel.

use std::marker::PhantomData;

use prost::Message;

use super::{Closed, Code, Connection, Requests, Responses, Status};

impl Connection {
    /// One message there, one back. `method` is the full path, such as "/ping.Ping/Ping".
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World, transport::Connection};
    /// use chore_proto::{ENQUEUE_METHOD, EnqueueRequest, EnqueueResponse};
    ///
    /// # async fn example(connection: Connection) -> Result<()> {
    /// let request = EnqueueRequest { limit: vec![1], order: vec![2] };
    /// let response: EnqueueResponse = connection.call(ENQUEUE_METHOD, &request).await?;
    /// if !response.refused.is_empty() {
    ///     warn!(reason = response.refused, "refused");
    /// }
    /// # Ok(()) }
    /// # let node = NodeId::fake(1);
    /// # let world = World::new().answers(node, ENQUEUE_METHOD, |_: EnqueueRequest| {
    /// #     Ok(EnqueueResponse { serial_number: vec![], refused: "no limit".into() })
    /// # });
    /// # world.block_on(async {
    /// #     let node = kademlia::find_node(node).await?;
    /// #     example(transport::dial_node(node, Duration::from_secs(1)).await?).await
    /// # }).unwrap();
    /// # assert_eq!(world.logs()[0].to_string(), "WARN refused reason=no limit");
    /// ```
    ///
    /// # Errors
    ///
    /// What the other peer, or the way to it, says; [`Code::INTERNAL`] if it answers with what is no
    /// such message.
    pub async fn call<Req, Resp>(&self, method: &str, request: &Req) -> Result<Resp, Status>
    where
        Req: Message,
        Resp: Message + Default,
    {
        decode(&self.unary(method, request.encode_to_vec()).await?, Code::INTERNAL)
    }

    /// Messages in both directions; as [`Connection::stream`].
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World, transport::{Connection, Status}};
    /// use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse};
    ///
    /// # async fn example(connection: Connection) -> Result<()> {
    /// let (mut requests, mut responses) = connection.call_stream(SETTLEMENT_METHOD).await;
    /// let send = async move {
    ///     for number in 0..3 {
    ///         let request = SettlementRequest { limit: vec![number], order: vec![number] };
    ///         // A peer that closes early says why in the responses.
    ///         if requests.send(&request).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// };
    /// let receive = async {
    ///     let mut settled = 0;
    ///     while let Some(SettlementResponse { .. }) = responses.next().await? {
    ///         settled += 1;
    ///     }
    ///     Ok::<_, Status>(settled)
    /// };
    /// let settled = futures::join!(send, receive).1?;
    /// # assert_eq!(settled, 3);
    /// # Ok(()) }
    /// # let node = NodeId::fake(1);
    /// # let world = World::new().answers(node, SETTLEMENT_METHOD, |request: SettlementRequest| {
    /// #     Ok(SettlementResponse { serial_number: request.limit, ..Default::default() })
    /// # });
    /// # world.block_on(async {
    /// #     let node = kademlia::find_node(node).await?;
    /// #     example(transport::dial_node(node, Duration::from_secs(1)).await?).await
    /// # }).unwrap();
    /// ```
    pub async fn call_stream<Req, Resp>(
        &self,
        method: &str,
    ) -> (MessageRequests<Req>, MessageResponses<Resp>)
    where
        Req: Message,
        Resp: Message + Default,
    {
        let (requests, responses) = self.stream(method).await;
        let requests = MessageRequests { requests, messages: PhantomData };
        (requests, MessageResponses { responses, messages: PhantomData })
    }
}

/// The way there of a streaming call, as messages; see [`Connection::call_stream`]. Dropped, it says
/// that there are no more messages.
///
/// ```
/// # use chore_sdk::prelude::*;
/// use chore_proto::SettlementRequest;
/// use chore_sdk::transport::MessageRequests;
///
/// async fn send(mut requests: MessageRequests<SettlementRequest>) -> Result<()> {
///     let request = SettlementRequest { limit: vec![1], order: vec![2] };
///     requests.send(&request).await?;
///     // Dropped here: there are no more.
///     Ok(())
/// }
/// ```
pub struct MessageRequests<T> {
    requests: Requests,
    messages: PhantomData<fn(T)>,
}

impl<T: Message> MessageRequests<T> {
    /// As [`Requests::send`].
    ///
    /// # Errors
    ///
    /// The other side reads no more; the responses say why.
    pub async fn send(&mut self, message: &T) -> Result<(), Closed> {
        self.requests.send(message.encode_to_vec()).await
    }
}

/// The way back of a streaming call, as messages; see [`Connection::call_stream`].
///
/// ```
/// # use chore_sdk::prelude::*;
/// use chore_proto::SettlementResponse;
/// use chore_sdk::transport::MessageResponses;
///
/// async fn receive(mut responses: MessageResponses<SettlementResponse>) -> Result<usize> {
///     let mut accepted = 0;
///     while let Some(response) = responses.next().await.context("settle")? {
///         accepted += usize::from(response.status == 1);
///     }
///     Ok(accepted)
/// }
/// ```
pub struct MessageResponses<T> {
    responses: Responses,
    messages: PhantomData<fn() -> T>,
}

impl<T: Message + Default> MessageResponses<T> {
    /// As [`Responses::next`].
    ///
    /// # Errors
    ///
    /// What ended the call, and [`Code::INTERNAL`] for what is no such message; the call goes on
    /// after that one.
    pub async fn next(&mut self) -> Result<Option<T>, Status> {
        self.responses.next().await?.map(|message| decode(&message, Code::INTERNAL)).transpose()
    }
}

/// What the other side sent, as a message; `code` says whose fault it is if it is none.
pub(crate) fn decode<T: Message + Default>(bytes: &[u8], code: Code) -> Result<T, Status> {
    T::decode(bytes).map_err(|err| {
        let name = std::any::type_name::<T>();
        let name = name.rsplit("::").next().unwrap_or(name);
        Status::new(code, format!("{} bytes are no {name}: {err}", bytes.len()))
    })
}
