//! The gateway: HELLO, IDENTIFY, READY, RESUME with everything that was missed, heartbeats, dispatches, and the ways it ends:
//! a close code or none, op 7, op 9, and silence.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};

use super::{Discord, TOKEN, shapes};

/// Opcodes of the gateway (Discord's documentation, `topics/opcodes-and-status-codes`).
mod op {
    pub(super) const DISPATCH: u64 = 0;
    pub(super) const HEARTBEAT: u64 = 1;
    pub(super) const IDENTIFY: u64 = 2;
    pub(super) const RESUME: u64 = 6;
    pub(super) const RECONNECT: u64 = 7;
    pub(super) const INVALID_SESSION: u64 = 9;
    pub(super) const HELLO: u64 = 10;
    pub(super) const HEARTBEAT_ACK: u64 = 11;
}

/// Authentication failed: the connection is not to be tried again.
const BAD_TOKEN: u16 = 4004;

/// What every open connection is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// End with this close code, or with no close frame at all.
    Close(Option<u16>),
    /// Ask to reconnect (op 7).
    Reconnect,
    /// Say that the session is invalid (op 9), and whether it may be resumed.
    Invalid(bool),
}

/// A session, and everything it was or will be sent.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: String,
    log: Vec<(String, Value)>,
}

/// What there is at the gateway.
#[derive(Debug)]
pub(crate) struct Desk {
    sessions: Vec<Session>,
    /// Milliseconds between heartbeats, as HELLO says.
    pub(crate) heartbeat_ms: u64,
    /// Heartbeats are not acknowledged.
    pub(crate) is_deaf: bool,
    /// What the last greeting asked to hear.
    pub(crate) intents: u64,
    /// Heartbeats received.
    pub(crate) heartbeats: usize,
    /// Times somebody identified, and times somebody went on with a session.
    pub(crate) identified: usize,
    pub(crate) resumed: usize,
    /// Connections with a session now, and the most there ever were at once.
    pub(crate) present: usize,
    pub(crate) most_present: usize,
    /// What `GET /gateway/bot` says of the sessions that are left, and of the time until there are more.
    pub(crate) sessions_left: (u64, Duration),
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            sessions: Vec::new(),
            heartbeat_ms: 45_000,
            is_deaf: false,
            intents: 0,
            heartbeats: 0,
            identified: 0,
            resumed: 0,
            present: 0,
            most_present: 0,
            sessions_left: (998, Duration::from_hours(1)),
        }
    }
}

impl Desk {
    /// Something happens: every session hears of it, connected or not.
    pub(super) fn dispatch(&mut self, kind: &str, data: &Value) {
        for session in &mut self.sessions {
            session.log.push((kind.to_owned(), data.clone()));
        }
    }

    /// Sessions are forgotten: whoever wants to resume must greet anew, and has missed what happened.
    pub(super) fn forget(&mut self) {
        self.sessions.clear();
    }

    /// Whether nobody has a session.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn begin(&mut self, gateway: &str) -> String {
        self.identified += 1;
        let id = format!("session-{}", self.identified);
        let ready = ("READY".to_owned(), shapes::ready(gateway, &id));
        self.sessions.push(Session { id: id.clone(), log: vec![ready] });
        id
    }

    fn go_on(&mut self, id: &str) -> bool {
        let known = self.sessions.iter_mut().find(|session| session.id == id);
        let Some(session) = known else { return false };
        session.log.push(("RESUMED".to_owned(), json!({})));
        self.resumed += 1;
        true
    }

    fn next(&self, id: &str, sent: usize) -> Option<(String, Value)> {
        self.sessions.iter().find(|session| session.id == id)?.log.get(sent).cloned()
    }
}

pub(super) async fn connect(State(discord): State<Discord>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(discord, socket))
}

/// A connection with a session, until it ends.
struct Present(Discord);

impl Present {
    fn at(discord: &Discord) -> Self {
        let mut world = discord.world();
        world.desk.present += 1;
        world.desk.most_present = world.desk.most_present.max(world.desk.present);
        Self(discord.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.world().desk.present -= 1;
        self.0.note_change();
    }
}

async fn serve(discord: Discord, mut socket: WebSocket) {
    let mut happened = discord.inner.happened.subscribe();
    let mut orders = discord.inner.orders.subscribe();
    let heartbeat = discord.world().desk.heartbeat_ms;
    let hello = json!({"op": op::HELLO, "d": {"heartbeat_interval": heartbeat}, "s": null, "t": null});
    send(&mut socket, &hello).await;
    // The session of this connection, and how many of its events were sent.
    let mut session: Option<(String, usize)> = None;
    let mut present = None;
    loop {
        if let Some((id, sent)) = &mut session {
            while let Some((kind, data)) = { discord.world().desk.next(id, *sent) } {
                *sent += 1;
                send(&mut socket, &json!({"op": op::DISPATCH, "t": kind, "d": data, "s": *sent})).await;
            }
        }
        tokio::select! {
            received = socket.recv() => {
                let Some(Ok(message)) = received else { return };
                let Message::Text(text) = message else { continue };
                let said: Value = serde_json::from_str(&text).unwrap();
                let d = &said["d"];
                let knows_token = d["token"].as_str().is_some_and(|token| token.ends_with(TOKEN));
                match said["op"].as_u64() {
                    Some(op::HEARTBEAT) => {
                        let is_deaf = {
                            let mut world = discord.world();
                            world.desk.heartbeats += 1;
                            world.desk.is_deaf
                        };
                        if !is_deaf {
                            send(&mut socket, &json!({"op": op::HEARTBEAT_ACK, "d": null, "s": null, "t": null})).await;
                        }
                    }
                    Some(op::IDENTIFY | op::RESUME) if !knows_token => return close(&mut socket, BAD_TOKEN).await,
                    Some(op::IDENTIFY) => {
                        let gateway = format!("ws://{}/gateway", discord.addr);
                        let mut world = discord.world();
                        world.desk.intents = d["intents"].as_u64().unwrap_or_default();
                        let id = world.desk.begin(&gateway);
                        session = Some((id, 0));
                    }
                    Some(op::RESUME) => {
                        let id = d["session_id"].as_str().unwrap_or_default().to_owned();
                        let seen = usize::try_from(d["seq"].as_u64().unwrap_or_default()).unwrap();
                        if discord.world().desk.go_on(&id) {
                            session = Some((id, seen));
                        } else {
                            send(&mut socket, &invalid(false)).await;
                        }
                    }
                    _ => {}
                }
                if session.is_some() && present.is_none() {
                    present = Some(Present::at(&discord));
                }
                discord.note_change();
            }
            _ = happened.changed() => {}
            order = orders.recv() => match order {
                Ok(Order::Close(Some(code))) => return close(&mut socket, code).await,
                Ok(Order::Close(None)) | Err(_) => return,
                Ok(Order::Reconnect) => {
                    send(&mut socket, &json!({"op": op::RECONNECT, "d": null, "s": null, "t": null})).await;
                    session = None;
                }
                Ok(Order::Invalid(may_resume)) => {
                    if !may_resume && let Some((id, _)) = session.take() {
                        discord.world().desk.sessions.retain(|known| known.id != id);
                    }
                    discord.note_change();
                    send(&mut socket, &invalid(may_resume)).await;
                }
            }
        }
    }
}

fn invalid(may_resume: bool) -> Value {
    json!({"op": op::INVALID_SESSION, "d": may_resume, "s": null, "t": null})
}

async fn send(socket: &mut WebSocket, message: &Value) {
    // Whoever has gone away hears nothing more.
    let _ = socket.send(Message::Text(message.to_string().into())).await;
}

async fn close(socket: &mut WebSocket, code: u16) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
}
