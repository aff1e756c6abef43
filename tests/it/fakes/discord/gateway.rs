//! The gateway: HELLO, IDENTIFY, READY, heartbeats, dispatches, and hanging up.

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
    pub(super) const INVALID_SESSION: u64 = 9;
    pub(super) const HELLO: u64 = 10;
    pub(super) const HEARTBEAT_ACK: u64 = 11;
}

/// Authentication failed: the connection is not to be tried again.
const BAD_TOKEN: u16 = 4004;

pub(super) async fn connect(State(discord): State<Discord>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(discord, socket))
}

async fn serve(discord: Discord, mut socket: WebSocket) {
    let mut events = discord.inner.events.subscribe();
    let mut hang_up = discord.inner.hang_up.subscribe();
    let mut sequence = 0;
    let mut greeted = false;
    send(&mut socket, &json!({"op": op::HELLO, "d": {"heartbeat_interval": 45_000}, "s": null, "t": null}))
        .await;
    loop {
        tokio::select! {
            received = socket.recv() => {
                let Some(Ok(message)) = received else { return };
                let Message::Text(text) = message else { continue };
                let said: Value = serde_json::from_str(&text).unwrap();
                match said["op"].as_u64() {
                    Some(op::HEARTBEAT) => send(&mut socket, &json!({"op": op::HEARTBEAT_ACK, "d": null, "s": null, "t": null})).await,
                    Some(op::IDENTIFY) => {
                        if !said["d"]["token"].as_str().is_some_and(|token| token.ends_with(TOKEN)) {
                            return close(&mut socket, BAD_TOKEN).await;
                        }
                        let gateway = format!("ws://{}/gateway", discord.addr);
                        sequence += 1;
                        send(&mut socket, &dispatch("READY", &shapes::ready(&gateway), sequence)).await;
                        greeted = true;
                        discord.world().identified += 1;
                        discord.note_change();
                    }
                    // This Discord forgets sessions at once: the bot must greet anew, and has missed what happened.
                    Some(op::RESUME) => send(&mut socket, &json!({"op": op::INVALID_SESSION, "d": false, "s": null, "t": null})).await,
                    _ => {}
                }
            }
            event = events.recv(), if greeted => {
                let Ok((kind, data)) = event else { continue };
                sequence += 1;
                send(&mut socket, &dispatch(&kind, &data, sequence)).await;
            }
            code = hang_up.recv() => {
                let Ok(code) = code else { continue };
                return close(&mut socket, code).await;
            }
        }
    }
}

fn dispatch(kind: &str, data: &Value, sequence: u64) -> Value {
    json!({"op": op::DISPATCH, "t": kind, "s": sequence, "d": data})
}

async fn send(socket: &mut WebSocket, payload: &Value) {
    // A client that is gone is noticed when it is read from.
    let _ = socket.send(Message::Text(payload.to_string().into())).await;
}

async fn close(socket: &mut WebSocket, code: u16) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
}
