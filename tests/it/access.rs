//! Who may come in: tokens, sessions, an OpenID provider, a proxy, and the audit log of what they changed.

mod provider;

use std::process::{Command, Output};

use firstcheck::access::{Roles, Scope};
use firstcheck::egress::AddressSet;
use firstcheck::server::{Access, Doors, Proxy, oidc};
use serde_json::{Value, json};

use crate::serve::bot::{Answer, Bot, Folder, Setup};
use provider::Provider;

const PAGE: (&str, &str) = ("accept", "text/html");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn guarded(access: Access, api_token: Option<&str>) -> (Bot, Folder) {
    let folder = Folder::new("access");
    let doors = Doors { access, api_token: api_token.map(str::to_owned), ..Doors::open() };
    let setup = Setup { folder: Some(folder.0.clone()), doors, ..Setup::default() };
    (Bot::start(setup).await, folder)
}

/// Runs a command beside the bot, on the bot's own store. It blocks the story's thread and must not block the bot's, which may be in the
/// middle of a transaction: so these stories have threads to spare.
fn command(folder: &Folder, args: &[&str]) -> Output {
    let file = folder.0.join("firstcheck.yaml");
    std::fs::write(&file, "store: firstcheck.db\napi: {tokens: true}\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_firstcheck")).args(args).arg("--config").arg(file).output().unwrap()
}

fn token(folder: &Folder, name: &str, scope: &str) -> String {
    let made = command(folder, &["token", "create", name, "--scope", scope]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn audit(folder: &Folder) -> Vec<Value> {
    let listed = command(folder, &["audit", "list", "--json"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    listed["entries"].as_array().unwrap().clone()
}

/// The session that an answer begins: what the browser sends from then on.
#[track_caller]
fn session(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", answer.text()));
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

async fn start(bot: &Bot, headers: &[(&str, &str)]) -> Answer {
    bot.send("POST", "/api/incidents", headers, &json!({"title": "504s", "service": "shop"}).to_string())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_store_opens_what_its_scope_says_until_it_is_revoked() {
    let (bot, folder) = guarded(Access { tokens: true, ..Access::default() }, None).await;
    let reads = format!("Bearer {}", token(&folder, "grafana", "read"));
    let answers = format!("Bearer {}", token(&folder, "ada", "answer"));
    let get = |path: &'static str, bearer: String| {
        let bot = &bot;
        async move { bot.send("GET", path, &[("authorization", bearer.as_str())], "").await.status }
    };
    assert_eq!(bot.get("/api/incidents").await.status, 401);
    assert_eq!(get("/api/incidents", "Bearer fck_guessed".to_owned()).await, 401);
    assert_eq!(get("/api/incidents", reads.clone()).await, 200);
    assert_eq!(
        get("/api/check/dns?target=localhost", reads.clone()).await,
        403,
        "a probe is more than reading"
    );
    let refused = start(&bot, &[("authorization", &reads)]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("needs the scope `answer`"), "{}", refused.text());
    assert_eq!(start(&bot, &[("authorization", &answers)]).await.status, 201);

    let again = command(&folder, &["token", "create", "ada", "--scope", "admin"]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "a name is given once: {}",
        String::from_utf8_lossy(&again.stderr)
    );
    let listed = command(&folder, &["token", "list", "--json"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("\"ada\"") && !listed.contains("hash"), "{listed}");
    let revoked = command(&folder, &["token", "revoke", "ada"]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    assert_eq!(get("/api/incidents", answers).await, 401, "the running bot knows it at once");
    let unknown = command(&folder, &["token", "revoke", "ada"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));

    let said: Vec<String> = audit(&folder)
        .iter()
        .map(|it| format!("{} {}", it["via"].as_str().unwrap(), it["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            "command_line token create grafana --scope read",
            "command_line token create ada --scope answer",
            "token POST /api/incidents",
            "command_line token revoke ada",
        ]
    );
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_with_a_token_works_and_logs_out() {
    let (bot, folder) = guarded(Access { tokens: true, ..Access::default() }, None).await;
    let secret = token(&folder, "ada", "answer");
    let asked = bot.send("GET", "/?page=2", &[PAGE], "").await;
    assert_eq!((asked.status, asked.header("location")), (303, Some("/login?to=%2F%3Fpage%3D2")));
    let page = bot.send("GET", "/login?to=%2F%3Fpage%3D2", &[PAGE], "").await;
    assert!(page.text().contains(r#"name="to" value="/?page&#x3D;2""#), "{}", page.text());

    let wrong = bot.send("POST", "/login", &[PAGE, FORM], "to=/&token=fck_wrong").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("not known") && wrong.header("set-cookie").is_none());
    let inside = bot.send("POST", "/login", &[PAGE, FORM], &format!("to=/%3Fpage%3D2&token={secret}")).await;
    assert_eq!((inside.status, inside.header("location")), (303, Some("/?page=2")));
    let cookie = session(&inside);
    assert_eq!(bot.send("GET", "/", &[PAGE, ("cookie", &cookie)], "").await.status, 200);

    let blind = start(&bot, &[("cookie", &cookie)]).await;
    assert_eq!(blind.status, 403, "a cookie alone changes nothing: another site's page could have sent it");
    let foreign = start(&bot, &[("cookie", &cookie), ("origin", "https://evil.test")]).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(start(&bot, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")]).await.status, 201);

    let out = bot.send("POST", "/logout", &[PAGE, ("cookie", &cookie)], "").await;
    assert_eq!(out.status, 303);
    assert_eq!(bot.send("GET", "/api/incidents", &[("cookie", &cookie)], "").await.status, 401);
    let actions: Vec<Value> = audit(&folder).iter().map(|it| it["action"].clone()).collect();
    let expected =
        ["token create ada --scope answer", "log_in_failed", "log_in", "POST /api/incidents", "log_out"];
    assert_eq!(actions, expected.map(Value::from));

    let inside = bot.send("POST", "/login", &[PAGE, FORM], &format!("to=/&token={secret}")).await;
    let cookie = session(&inside);
    assert_eq!(bot.send("GET", "/", &[PAGE, ("cookie", &cookie)], "").await.status, 200);
    assert!(command(&folder, &["token", "revoke", "ada"]).status.success());
    let after = bot.send("GET", "/", &[PAGE, ("cookie", &cookie)], "").await;
    assert_eq!(after.status, 303, "a session ends with the token it began with");
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_into_a_form_outlives_its_session() {
    let (bot, _folder) = guarded(Access::default(), Some("s3cret")).await;
    let typed = "question=endpoint_scope&words=only+%3Cb%3Eorders%3C%2Fb%3E";
    let asked = bot.send("POST", "/incidents/7h2k/answers", &[PAGE, FORM], typed).await;
    assert_eq!(asked.status, 401);
    let page = asked.text();
    assert!(page.contains("Your session has ended"), "{page}");
    assert!(page.contains(r#"name="kept.words" value="only &lt;b&gt;orders&lt;/b&gt;""#), "{page}");

    let form = "to=/incidents/7h2k/answers&token=s3cret&kept.question=endpoint_scope&kept.words=only+orders";
    let inside = bot.send("POST", "/login", &[PAGE, FORM], form).await;
    assert_eq!(inside.status, 200);
    session(&inside);
    let page = inside.text();
    assert!(page.contains(r#"action="/incidents/7h2k/answers""#), "{page}");
    assert!(page.contains(r#"name="words" value="only orders""#), "{page}");
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_does_not_keep_the_rightful_token_out() {
    let (bot, _folder) = guarded(Access::default(), Some("s3cret")).await;
    for _ in 0..firstcheck::access::Attempts::OF_ONE {
        assert_eq!(bot.send("POST", "/login", &[FORM], "token=guess").await.status, 401);
    }
    let slowed = bot.send("POST", "/login", &[FORM], "token=s3cret").await;
    assert_eq!(slowed.status, 429);
    assert!(slowed.header("retry-after").is_some_and(|it| it.parse::<u32>().unwrap() <= 300));
    let programs = bot.send("GET", "/api/incidents", &[("authorization", "Bearer s3cret")], "").await;
    assert_eq!(programs.status, 200, "only the form is slowed down");
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_says_who_it_is_and_nobody_else_may() {
    let proxy = |from: &str| Proxy {
        header: "x-forwarded-user".to_owned(),
        from: AddressSet::read(&[from]).unwrap(),
        scope: Scope::Answer,
    };
    let access = Access { proxy: Some(proxy("loopback")), ..Access::default() };
    let (bot, folder) = guarded(access, None).await;
    assert_eq!(bot.get("/api/incidents").await.status, 401, "the proxy names nobody");
    let headers = [
        ("x-forwarded-user", "ada"),
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(start(&bot, &headers).await.status, 201);
    let entry = audit(&folder).remove(0);
    assert_eq!(
        (&entry["who"], &entry["via"], &entry["from"]),
        (&json!("ada"), &json!("proxy"), &json!("192.0.2.7"))
    );
    bot.finish().await;

    let access = Access { proxy: Some(proxy("10.0.0.0/8")), ..Access::default() };
    let (bot, _folder) = guarded(access, None).await;
    let forged = bot.send("GET", "/api/incidents", &headers[..1], "").await;
    assert_eq!(forged.status, 401, "anybody can send a header");
    bot.finish().await;
}

fn at_provider(provider: &Provider, admin: &str) -> Access {
    Access {
        url: Some("http://bot.example:8080/".parse().unwrap()),
        oidc: Some(oidc::Settings {
            issuer: provider.issuer().parse().unwrap(),
            client_id: "firstcheck".to_owned(),
            client_secret: Some("hush".to_owned()),
            scopes: vec!["email".to_owned(), "groups".to_owned()],
            roles: Roles {
                claim: "groups".to_owned(),
                read: Vec::new(),
                answer: Vec::new(),
                admin: vec![admin.to_owned()],
            },
        }),
        ..Access::default()
    }
}

/// Goes to the provider and comes back with its code: the log-in's cookie, the code and the state.
async fn go(bot: &Bot, provider: &Provider) -> (String, String) {
    let sent = bot.send("GET", "/login/oidc?to=%2Fincidents%2Fabc", &[PAGE], "").await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    let cookie = sent.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (cookie, provider.authorize(sent.header("location").unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_logs_in_at_the_provider() {
    let provider = Provider::start(json!({"groups": ["sre"]})).await;
    let (bot, folder) = guarded(at_provider(&provider, "sre"), None).await;
    let (cookie, back) = go(&bot, &provider).await;
    let inside = bot.send("GET", &back, &[("cookie", &cookie)], "").await;
    assert_eq!(
        (inside.status, inside.header("location")),
        (303, Some("/incidents/abc")),
        "{}",
        inside.text()
    );
    let cookie = session(&inside);
    assert_eq!(bot.send("GET", "/api/incidents", &[("cookie", &cookie)], "").await.status, 200);
    let from_our_page = [("cookie", cookie.as_str()), ("origin", "http://bot.example:8080")];
    assert_eq!(start(&bot, &from_our_page).await.status, 201, "the URL that people know counts as ours");
    let last = audit(&folder).pop().unwrap();
    assert_eq!((&last["who"], &last["via"]), (&json!("ada@example.com"), &json!("oidc")));
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_that_was_not_begun_here_or_was_used_already_is_refused() {
    let provider = Provider::start(json!({"groups": ["sre"]})).await;
    let (bot, _folder) = guarded(at_provider(&provider, "sre"), None).await;
    let (cookie, back) = go(&bot, &provider).await;
    assert_eq!(bot.get(&back).await.status, 403, "without its cookie");
    let other = back.replace("state=", "state=x");
    let (spent, _) = go(&bot, &provider).await;
    assert_eq!(bot.send("GET", &other, &[("cookie", &spent)], "").await.status, 403, "with another state");
    assert_eq!(bot.send("GET", &back, &[("cookie", &cookie)], "").await.status, 303);
    assert_eq!(bot.send("GET", &back, &[("cookie", &cookie)], "").await.status, 403, "a second time");
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_hold_and_a_person_without_a_role_are_refused_with_the_reason() {
    for (claims, admin, expected) in [
        (json!({"groups": ["sales"]}), "sre", "may not come in"),
        (json!({"groups": ["sre"], "aud": "another"}), "sre", "does not hold"),
        (json!({"groups": ["sre"], "nonce": "another"}), "sre", "does not hold"),
        (json!({"groups": ["sre"], "exp": 1}), "sre", "does not hold"),
        (json!({"groups": ["sre"], "iss": "https://evil.test"}), "sre", "does not hold"),
    ] {
        let provider = Provider::start(claims.clone()).await;
        let (bot, _folder) = guarded(at_provider(&provider, admin), None).await;
        let (cookie, back) = go(&bot, &provider).await;
        let refused = bot.send("GET", &back, &[("cookie", &cookie)], "").await;
        assert_eq!(refused.status, 403, "{claims}");
        assert!(refused.text().contains(expected), "{claims}: {}", refused.text());
        assert!(refused.header("set-cookie").is_none());
        bot.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_is_said_and_leaves_tokens_working() {
    let provider = Provider::start(json!({})).await;
    let mut access = at_provider(&provider, "sre");
    access.oidc.as_mut().unwrap().issuer = "http://127.0.0.1:1/".parse().unwrap();
    let (bot, _folder) = guarded(access, Some("s3cret")).await;
    let told = bot.send("GET", "/login/oidc", &[PAGE], "").await;
    assert_eq!(told.status, 403);
    assert!(told.text().contains("cannot be reached"), "{}", told.text());
    assert_eq!(bot.send("POST", "/login", &[PAGE, FORM], "token=s3cret").await.status, 303);
    bot.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_touched_is_found_out() {
    let (bot, folder) = guarded(Access::default(), None).await;
    for _ in 0..3 {
        assert_eq!(start(&bot, &[]).await.status, 201);
    }
    bot.finish().await;
    let verify = |more: &[&str]| {
        let args: Vec<&str> = ["audit", "verify", "--json"].iter().chain(more).copied().collect();
        let output = command(&folder, &args);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said)
    };
    let (status, whole) = verify(&[]);
    assert_eq!((status, &whole["entries"], &whole["broken"]), (Some(0), &json!(3), &Value::Null));
    let head = whole["head"].as_str().unwrap().to_owned();
    assert_eq!(verify(&["--head", &head]).0, Some(0));

    sqlite(&folder, "DELETE FROM audit WHERE seq = 3");
    assert_eq!(verify(&[]).0, Some(0), "a log whose end was cut is whole in itself");
    let (status, cut) = verify(&["--head", &head]);
    assert_eq!(status, Some(1));
    assert!(cut["broken"].as_str().unwrap().contains("was cut"), "{cut}");
    sqlite(&folder, "UPDATE audit SET text = replace(text, 'console', 'mallory') WHERE seq = 1");
    let (status, altered) = verify(&[]);
    assert_eq!(status, Some(1));
    assert!(altered["broken"].as_str().unwrap().contains("entry 1"), "{altered}");
}

/// Somebody with the file and bad intent.
fn sqlite(folder: &Folder, statement: &str) {
    let file = folder.0.join("firstcheck.db");
    let statement = statement.to_owned();
    std::thread::spawn(move || {
        use sqlx::Connection as _;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite://{}", file.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        });
    })
    .join()
    .unwrap();
}
