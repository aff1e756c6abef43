//! Sound chains: whatever else a server sends, one path from its certificate to a trusted authority holds (RFC 5280 section 6, RFC 4158).

use std::net::Ipv4Addr;

use rcgen::{BasicConstraints, GeneralSubtree, IsCa, NameConstraints};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::tls::{Ca, Identity, NAME, asked, days, key, leaf_params, serving};
use super::{Asked, Table};

/// A certificate in PEM form.
fn pem_of(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|it| std::str::from_utf8(it).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

pub(super) fn rows(table: &mut Table) {
    table.row("three intermediates", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        let two = one.below("Lab Two", |_| {});
        let three = two.below("Lab Three", |_| {});
        asked(NAME, &root, three.leaf(|_| {}).and([three.der(), two.der(), one.der()]).config()).await
    });
    table.row("the chain is out of order", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        let two = one.below("Lab Two", |_| {});
        asked(NAME, &root, two.leaf(|_| {}).and([one.der(), two.der()]).config()).await
    });
    table.row("the root is sent too", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        asked(NAME, &root, one.leaf(|_| {}).and([one.der(), root.der()]).config()).await
    });
    table.row("a certificate that belongs to nothing is sent too", "valid", async {
        let (root, stray) = (Ca::root("Lab Root"), Ca::root("Another Root"));
        let one = root.below("Lab One", |_| {});
        asked(NAME, &root, one.leaf(|_| {}).and([one.der(), stray.der()]).config()).await
    });
    table.row("the intermediate is sent twice", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        asked(NAME, &root, one.leaf(|_| {}).and([one.der(), one.der()]).config()).await
    });
    table.row("the leaf is sent twice", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        let leaf = one.leaf(|_| {});
        let again = leaf.chain[0].clone();
        asked(NAME, &root, leaf.and([again, one.der()]).config()).await
    });
    table.row("the trusted authority is the intermediate itself", "valid", async {
        let one = Ca::root("Lab Root").below("Lab One", |_| {});
        let config = one.leaf(|_| {}).and([one.der()]).config();
        asked(NAME, &one, config).await
    });
    table.row("a new root, cross-signed by an old one that nobody here trusts", "valid", async {
        let (old, new) = (Ca::root("Old Root"), Ca::root("New Root"));
        let cross = old.crosses("New Root", &new, |_| {});
        let one = new.below("Lab One", |_| {});
        asked(NAME, &new, one.leaf(|_| {}).and([one.der(), cross]).config()).await
    });
    table.row("a cross-sign that has expired beside a path that holds", "valid", async {
        let (old, new) = (Ca::root("Old Root"), Ca::root("New Root"));
        let cross = old.crosses("New Root", &new, days(900, -30));
        let one = new.below("Lab One", |_| {});
        asked(NAME, &new, one.leaf(|_| {}).and([one.der(), cross]).config()).await
    });
    table.row("an older, expired version of the trusted root is sent", "valid", async {
        let root = Ca::root("Lab Root");
        let older = root.crosses("Lab Root", &root, days(7000, -100));
        let one = root.below("Lab One", |_| {});
        asked(NAME, &root, one.leaf(|_| {}).and([one.der(), older]).config()).await
    });
    table.row(
        "the file of authorities holds an expired root of the same name and key before the good one",
        "valid",
        async {
            let root = Ca::root("Lab Root");
            let older = pem_of(&root.crosses("Lab Root", &root, days(7000, -100)));
            let one = root.below("Lab One", |_| {});
            let asked = asked(NAME, &root, one.leaf(|_| {}).and([one.der()]).config()).await;
            asked.trusting(format!(
                "# Lab\r\n{older}\n\nsome words\n{}",
                root.certificate.pem().replace('\n', "\r\n")
            ))
        },
    );
    table.row("an intermediate nobody needs has days left", "valid", async {
        let root = Ca::root("Lab Root");
        let (one, other) = (root.below("Lab One", |_| {}), root.below("Lab Two", days(360, 4)));
        asked(NAME, &root, one.leaf(|_| {}).and([one.der(), other.der()]).config()).await
    });
    table.row("two authorities of one name and two keys", "valid", async {
        let (first, second) = (Ca::root("Lab Root"), Ca::root("Lab Root"));
        let both = format!("{}{}", first.certificate.pem(), second.certificate.pem());
        asked(NAME, &first, second.leaf(|_| {}).config()).await.trusting(both)
    });
    table.row("two intermediates of one name and key, of which one has expired", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |_| {});
        let older = root.crosses("Lab One", &one, days(900, -30));
        asked(NAME, &root, one.leaf(|_| {}).and([older, one.der()]).config()).await
    });
    table.row("an intermediate that may sign for these names only", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |params| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName("lab.test".to_owned())];
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        });
        asked(NAME, &root, one.leaf(|_| {}).and([one.der()]).config()).await
    });
    table.row("an intermediate that may sign leaves only", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
        asked(NAME, &root, one.leaf(|_| {}).and([one.der()]).config()).await
    });
    table.row("an intermediate that ends soon after the leaf", "valid", async {
        let root = Ca::root("Lab Root");
        let one = root.below("Lab One", days(1000, 70));
        asked(NAME, &root, one.leaf(|_| {}).and([one.der()]).config()).await
    });
    table.row("a certificate that vouches for itself, and is trusted as such", "valid", async {
        let (params, key) = (leaf_params(), key(&rcgen::PKCS_ECDSA_P256_SHA256));
        let leaf = params.self_signed(&key).unwrap();
        let identity = Identity {
            chain: vec![leaf.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        };
        let server = serving((Ipv4Addr::LOCALHOST, 0).into(), identity.config()).await;
        Asked::new(format!("{NAME}:443"))
            .with("connect_to", server.addr.to_string())
            .trusting(leaf.pem())
            .holding(server)
    });
}
