//! One name server at one address: does it have the zone?

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use super::super::observe::refuses_edns;
use super::{PATIENCE, Server, Standing};
use crate::checks::resolve::{self, Asked, Question, Silence};

/// What one address of a name server showed.
pub(super) struct Seen {
    pub(super) standing: Standing,
    pub(super) serial: Option<u32>,
    pub(super) takes_tcp: Option<bool>,
}

impl Seen {
    pub(super) fn at(self, name: String, addr: Option<SocketAddr>, stale_glue: Vec<IpAddr>) -> Server {
        let Self { standing, serial, takes_tcp } = self;
        Server { name, addr, standing, serial, takes_tcp, stale_glue }
    }
}

/// Asks over UDP and TCP at once. TCP counts where UDP answers: what is silent on both is silent.
pub(super) async fn ask_authority(addr: SocketAddr, zone: &Name, deadline: Instant) -> Seen {
    let question = Question { recursion: false, ..Question::new(zone.clone(), RecordType::SOA) };
    let until = deadline.min(Instant::now() + PATIENCE);
    let (asked, takes_tcp) =
        tokio::join!(ask_either_way(addr, &question, until), resolve::takes_tcp(addr, &question, until));
    let message = match asked.reply {
        Ok(message) => message,
        Err(Silence::Unreachable) => {
            return Seen { standing: Standing::NotAsked, serial: None, takes_tcp: None };
        }
        Err(_) => return Seen { standing: Standing::Silent, serial: None, takes_tcp: None },
    };
    let serial = message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    let standing = match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if message.metadata.authoritative => {
            Standing::Authoritative
        }
        ResponseCode::NoError | ResponseCode::NXDomain => Standing::NotAuthoritative,
        ResponseCode::Refused => Standing::Refuses,
        _ => Standing::Fails,
    };
    let takes_tcp = (standing == Standing::Authoritative).then_some(takes_tcp);
    Seen { standing, serial, takes_tcp }
}

/// A server that breaks on EDNS, or says nothing to it, is no lame one: resolvers ask it again without, and so do we in the
/// second half of the time.
async fn ask_either_way(addr: SocketAddr, question: &Question, until: Instant) -> Asked {
    let half = until.saturating_duration_since(Instant::now()) / 2;
    let asked = resolve::ask(addr, question, Instant::now() + half).await;
    let is_about_edns = match &asked.reply {
        Ok(message) => refuses_edns(message),
        Err(silence) => *silence == Silence::Timeout,
    };
    if !is_about_edns {
        return asked;
    }
    resolve::ask(addr, &Question { edns: false, ..question.clone() }, until).await
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType};
    use tokio::net::UdpSocket;

    use super::*;
    use crate::drill::name_server::{NameServer, Zone};

    #[tokio::test]
    async fn a_name_server_that_breaks_on_edns_has_its_zone_all_the_same() {
        let zone = Zone::new("drill.test").a("api", [127, 0, 0, 1].into()).breaks_on_edns("@");
        let server = NameServer::start(vec![zone]).await.unwrap();
        let name = resolve::parse_name("drill.test").unwrap();
        let seen = ask_authority(server.addr(), &name, Instant::now() + PATIENCE).await;
        assert_eq!(seen.standing, Standing::Authoritative);
    }

    #[tokio::test]
    async fn a_name_server_that_says_nothing_to_edns_has_its_zone_all_the_same() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..size]).unwrap();
                if query.edns.is_none() {
                    let mut answer = query.clone();
                    answer.metadata.message_type = MessageType::Response;
                    answer.metadata.authoritative = true;
                    socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                }
            }
        });
        let name = resolve::parse_name("drill.test").unwrap();
        let seen = ask_authority(addr, &name, Instant::now() + PATIENCE).await;
        assert_eq!(seen.standing, Standing::Authoritative);
    }
}
