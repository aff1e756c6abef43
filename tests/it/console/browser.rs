//! The console in a real browser: Debian's Chromium, driven over WebDriver (W3C). Each story has a bot, a driver and a browser of its
//! own. With `FIRSTCHECK_SCREENSHOTS=FOLDER` the first story leaves pictures there.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::prelude::*;

use crate::programs::{Program, ask, free_address};
use crate::serve::bot::Folder;

/// How the page is looked at.
#[derive(Clone, Copy)]
struct Look {
    dark: bool,
    script: bool,
    /// Width in CSS pixels.
    width: u32,
}

const LIGHT: Look = Look { dark: false, script: true, width: 1280 };

struct Browser {
    driver: WebDriver,
    _chromedriver: Program,
}

impl Browser {
    async fn open(look: Look) -> Self {
        // Both reqwests of this process leave the choice to us; the driver is spoken to without TLS.
        rustls::crypto::ring::default_provider().install_default().ok();
        let at = free_address();
        let chromedriver = Program::start(Command::new("chromedriver").arg(format!("--port={}", at.port())));
        chromedriver.listens(at);
        let mut wanted = DesiredCapabilities::chrome();
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!look.dark));
        let size = format!("--window-size={},1000", look.width.max(500));
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-prefers-reduced-motion",
            &scheme,
            &size,
        ] {
            wanted.add_arg(argument).unwrap();
        }
        if look.width < 500 {
            let metrics = json!({"deviceMetrics": {"width": look.width, "height": 800, "pixelRatio": 2.0}});
            wanted.add_experimental_option("mobileEmulation", metrics).unwrap();
        }
        if !look.script {
            let off = json!({"profile.managed_default_content_settings.javascript": 2});
            wanted.add_experimental_option("prefs", off).unwrap();
        }
        let driver = WebDriver::new(format!("http://{at}"), wanted).await.unwrap();
        Self { driver, _chromedriver: chromedriver }
    }

    async fn go(&self, at: SocketAddr, path: &str) {
        self.driver.goto(format!("http://{at}{path}")).await.unwrap();
    }

    /// The first element that fits, once it is there to be seen.
    async fn see(&self, css: &str) -> WebElement {
        loop {
            let query =
                self.driver.query(By::Css(css)).wait(Duration::from_mins(1), Duration::from_millis(50));
            match query.and_displayed().first().await {
                Ok(element) => return element,
                Err(error) if is_replaced(&error) => {}
                Err(error) => panic!("{css}: {error}\n{}", self.text().await),
            }
        }
    }

    /// Whether there is such an element now.
    async fn has(&self, css: &str) -> bool {
        self.driver.query(By::Css(css)).nowait().exists().await.unwrap()
    }

    async fn click(&self, css: &str) {
        while let Err(error) = self.see(css).await.click().await {
            assert!(is_replaced(&error), "{css}: {error}");
        }
    }

    /// What somebody reads there.
    async fn words(&self, css: &str) -> String {
        loop {
            match self.see(css).await.text().await {
                Ok(words) => return words,
                Err(error) => assert!(is_replaced(&error), "{css}: {error}"),
            }
        }
    }

    /// The question that waits for an answer.
    async fn question(&self) -> String {
        self.see(".question.waits").await;
        let id = self.tell("return document.querySelector('.waits input[name=question]').value").await;
        id.as_str().unwrap().to_owned()
    }

    async fn text(&self) -> String {
        self.driver.find(By::Css("body")).await.unwrap().text().await.unwrap()
    }

    async fn tell(&self, script: &str) -> Value {
        self.driver.execute(script, Vec::<Value>::new()).await.unwrap().json().clone()
    }

    async fn picture(&self, name: &str) {
        if let Some(folder) = told("FIRSTCHECK_SCREENSHOTS") {
            self.tell("scrollTo(0, 0)").await;
            self.driver.screenshot(&Path::new(&folder).join(format!("{name}.png"))).await.unwrap();
        }
    }

    /// Answers with what the drill says that one would know, until triage has stopped.
    async fn answer_everything(&self) -> usize {
        let mut answered = 0;
        loop {
            self.see(".question.waits form, li.conclusion").await;
            if self.has("li.conclusion").await {
                return answered;
            }
            let question = self.question().await;
            let known = self.words(&format!("#q-{question} .known bdi")).await;
            let form = format!("#q-{question} form");
            let mut pressed = false;
            for part in known.split(',').map(str::trim) {
                let choice = format!("{form} :is(button, input)[value=\"{part}\"]");
                let is_id = part.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
                if is_id && self.has(&choice).await {
                    pressed |= self.has(&format!("{form} button[value=\"{part}\"]")).await;
                    self.click(&choice).await;
                } else if self.has(&format!("{form} :is(textarea, input[type=text])")).await {
                    let field = self.see(&format!("{form} :is(textarea, input[type=text])")).await;
                    field.send_keys(&known).await.unwrap();
                    break;
                }
            }
            if !pressed {
                let send = if known.starts_with("nothing") { "[value=unknown]" } else { ".primary" };
                self.click(&format!("{form} button{send}")).await;
            }
            self.see(&format!("#q-{question} .reply")).await;
            answered += 1;
        }
    }

    async fn close(self) {
        self.driver.quit().await.unwrap();
    }
}

/// What whoever runs the tests says.
#[expect(clippy::disallowed_methods, reason = "a test's own setting, no configuration of the bot")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the page's stream has just put another element in its place.
fn is_replaced(error: &WebDriverError) -> bool {
    matches!(error.as_inner(), WebDriverErrorInner::StaleElementReference(_))
}

/// A bot as a newcomer starts it, but on a port of its own.
fn a_bot() -> (Program, SocketAddr, Folder) {
    let folder = Folder::new("browser");
    std::fs::write(folder.0.join("firstcheck.yaml"), "listen: 127.0.0.1:0\n").unwrap();
    let (bot, at) = Program::serve(&folder.0);
    (bot, at, folder)
}

async fn post(at: SocketAddr, path: &'static str, body: Value) -> Value {
    tokio::task::spawn_blocking(move || ask(at, "POST", path, &body.to_string())).await.unwrap()
}

/// An incident that waits for an answer.
async fn a_question(at: SocketAddr) -> String {
    let started =
        post(at, "/alerts/generic", json!({"title": "504s on /v1/reports", "service": "reports"})).await;
    started["incidents"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_newcomer_drills_in_the_browser_from_the_first_screen_to_the_issue_and_the_evidence() {
    let (_bot, at, _folder) = a_bot();
    let browser = Browser::open(LIGHT).await;
    browser.go(at, "/").await;
    browser.picture("board-empty").await;
    browser
        .driver
        .find(By::Css("#hall option[value=\"poison-input\"]"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    browser.click("#hall button.primary").await;
    // Without a reload: the stream brings what the checks find, and the question.
    browser.see("#link.live").await;
    browser.see(".ticks .f-healthy").await;
    browser.see(".question.waits").await;
    browser.picture("incident-question").await;
    assert!(browser.answer_everything().await > 0);
    browser.see(".verdict").await;
    assert!(browser.see(".verdict .big").await.text().await.unwrap().contains("server"));
    browser.see("#issue").await;
    browser.click("#why summary").await;
    browser.picture("incident-clarity").await;
    browser.click("[data-copy^=\"/api\"]").await;
    let copied = browser.driver.query(By::Css("[data-copy^=\"/api\"]")).with_text("Copied");
    copied.first().await.unwrap();
    browser.click("#issue").await;
    assert!(
        browser.see("#text").await.text().await.unwrap().contains("Next experiment"),
        "{}",
        browser.text().await
    );
    browser.picture("issue").await;
    // A board with company: an alert that waits for an answer, one that is asked about nothing, one of another boundary.
    for alert in [
        json!({"title": "Log-in fails for some users", "service": "accounts", "severity": "critical", "status_code": 401}),
        json!({"title": "429s on /v1/search", "service": "search", "severity": "warning", "status_code": 429}),
        json!({"title": "504s on /v1/reports", "service": "reports", "severity": "critical", "status_code": 504}),
    ] {
        post(at, "/alerts/generic", alert).await;
    }
    browser.go(at, "/").await;
    browser.see("li.row:nth-child(4)").await;
    browser.picture("board").await;
    browser.go(at, "/clarity").await;
    browser.see("table").await;
    browser.picture("clarity").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_answer_that_comes_late_takes_nothing_back_that_the_stream_has_brought() {
    let (_bot, at, _folder) = a_bot();
    let id = a_question(at).await;
    let browser = Browser::open(LIGHT).await;
    browser.go(at, &format!("/incidents/{id}")).await;
    browser.see("#link.live").await;
    let question = browser.question().await;
    // The server's answer to the form lies on the way until somebody else has taken the incident.
    let hold = "const send = fetch; window.fetch = async (...all) => { const answer = await send(...all); window.arrived = true; \
                while (!window.free) await new Promise((on) => setTimeout(on, 20)); return answer; };";
    browser.tell(hold).await;
    browser.click(".waits button[value=unknown]").await;
    while browser.tell("return window.arrived === true").await != true {}
    let path = format!("/api/incidents/{id}/assign");
    tokio::task::spawn_blocking(move || ask(at, "POST", &path, r#"{"to": "Ana"}"#)).await.unwrap();
    let is_anas = "return document.getElementById('main').innerText.includes('Ana')";
    while browser.tell(is_anas).await != true {}
    browser.tell("window.free = true").await;
    // The page is drawn anew when the button can be pressed again, or is gone.
    browser.see(&format!("#q-{question} .reply")).await;
    let is_drawn = "return !document.querySelector('form button[disabled]')";
    while browser.tell(is_drawn).await != true {}
    let back = Duration::from_secs(20);
    let came_back = tokio::time::timeout(back, async { while browser.tell(is_anas).await != true {} }).await;
    assert!(came_back.is_ok(), "{}", browser.text().await);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn of_two_browsers_that_answer_the_second_is_told_and_loses_no_word() {
    let (_bot, at, _folder) = a_bot();
    let id = a_question(at).await;
    let (ada, grace) = (Browser::open(LIGHT).await, Browser::open(LIGHT).await);
    for browser in [&ada, &grace] {
        browser.go(at, &format!("/incidents/{id}")).await;
        browser.see(".question.waits").await;
    }
    // Grace's stream is broken: her page does not learn that Ada was faster.
    grace.tell("dispatchEvent(new Event('pagehide'))").await;
    let question = ada.question().await;
    ada.click(".waits button[value=unknown]").await;
    ada.see(&format!("#q-{question} .reply")).await;
    grace.click(&format!("#q-{question} button[value=unknown]")).await;
    assert!(
        grace.see("#notice").await.text().await.unwrap().contains("has answered this question meanwhile")
    );
    grace.see(&format!("#q-{question} .reply")).await;
    ada.close().await;
    grace.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn typed_words_survive_a_server_that_is_gone_and_a_reload() {
    let (bot, at, _folder) = a_bot();
    let id = a_question(at).await;
    let browser = Browser::open(LIGHT).await;
    browser.go(at, &format!("/incidents/{id}")).await;
    browser.see(".question.waits").await;
    let field = ".waits input[type=text], .waits textarea";
    while !browser.has(field).await {
        let question = browser.question().await;
        browser.click(&format!("#q-{question} button[value=unknown]")).await;
        browser.see(&format!("#q-{question} .reply")).await;
        browser.see(".question.waits").await;
    }
    browser.see(field).await.send_keys("since 14:05, I think").await.unwrap();
    browser.tell("dispatchEvent(new Event('pagehide'))").await;
    assert!(bot.end("TERM"));
    browser.click(".waits button.primary").await;
    let told = browser
        .driver
        .query(By::Css("#link"))
        .with_text("The server cannot be reached. What you typed is kept.");
    told.first().await.unwrap();
    assert_eq!(browser.see(field).await.prop("value").await.unwrap().unwrap(), "since 14:05, I think");
    let kept = browser.tell("return JSON.stringify(sessionStorage)").await;
    assert!(kept.as_str().unwrap().contains("since 14:05"), "{kept}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn without_a_script_everything_can_be_read_and_answered() {
    let (_bot, at, _folder) = a_bot();
    let id = a_question(at).await;
    let browser = Browser::open(Look { script: false, ..LIGHT }).await;
    browser.go(at, "/").await;
    browser.click("li.row a").await;
    browser.see(".question.waits").await;
    let question = browser.see(".waits").await.attr("id").await.unwrap().unwrap();
    browser.click(".waits button[value=unknown]").await;
    assert!(browser.see(&format!("#{question} .reply")).await.text().await.unwrap().contains("console"));
    assert!(browser.see("time").await.text().await.unwrap().contains("UTC"));
    browser.go(at, &format!("/incidents/{id}/evidence")).await;
    browser.see("#text").await;
    post(at, "/alerts/generic", json!({"title": "x", "status": "wobbling"})).await;
    browser.go(at, "/deliveries").await;
    browser.click("form[action$=replay] button").await;
    assert!(browser.words("#notice").await.contains("still no alert"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_is_wider_than_a_phone() {
    let (_bot, at, _folder) = a_bot();
    let browser = Browser::open(Look { width: 360, ..LIGHT }).await;
    browser.go(at, "/").await;
    let widths = "return [document.documentElement.scrollWidth, innerWidth]";
    assert_eq!(browser.tell(widths).await, json!([360, 360]), "the empty board");
    let id = a_question(at).await;
    post(at, "/alerts/generic", json!({"title": "x".repeat(300), "status": "wobbling"})).await;
    let of_it = ["", "/evidence"].map(|rest| format!("/incidents/{id}{rest}"));
    let pages = ["/", "/clarity", "/sources", "/deliveries", "/runbooks"].map(str::to_owned);
    for path in pages.into_iter().chain(of_it) {
        browser.go(at, &path).await;
        browser.see("h1").await;
        assert_eq!(browser.tell(widths).await, json!([360, 360]), "{path}");
        browser
            .picture(&format!("phone{}", path.replace(['/', '-'], "_").replace(&id.replace('-', "_"), "id")))
            .await;
    }
    browser.close().await;
}

/// No serious or critical finding of axe-core on this page.
async fn is_accessible(browser: &Browser, axe: &str, what: &str) {
    browser.tell(axe).await;
    let run = "const done = arguments[arguments.length - 1]; axe.run().then((found) => done(found.violations.map((it) => ({id: it.id, impact: it.impact, at: it.nodes.slice(0, 3).map((node) => node.target.join(' ') + ': ' + node.failureSummary)}))))";
    let found = browser.driver.execute_async(run, Vec::<Value>::new()).await.unwrap().json().clone();
    let all = found.as_array().unwrap().iter();
    let serious: Vec<&Value> =
        all.filter(|it| it["impact"] == "serious" || it["impact"] == "critical").collect();
    assert!(serious.is_empty(), "{what}: {serious:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs axe-core"]
async fn no_page_has_a_serious_barrier_in_light_or_in_dark() {
    let file = told("FIRSTCHECK_AXE").expect("FIRSTCHECK_AXE names axe-core's axe.min.js");
    let axe = std::fs::read_to_string(file).unwrap();
    for dark in [false, true] {
        let (_bot, at, _folder) = a_bot();
        let browser = Browser::open(Look { dark, ..LIGHT }).await;
        browser.go(at, "/").await;
        is_accessible(&browser, &axe, "the empty board").await;
        browser
            .driver
            .find(By::Css("#hall option[value=\"poison-input\"]"))
            .await
            .unwrap()
            .click()
            .await
            .unwrap();
        browser.click("#hall button.primary").await;
        browser.see(".question.waits").await;
        is_accessible(&browser, &axe, "a question").await;
        browser.picture(&format!("question{}", if dark { "-dark" } else { "-light" })).await;
        browser.answer_everything().await;
        browser.see("#issue").await;
        browser.click(".steer summary").await;
        browser.tell("document.querySelectorAll('details').forEach((it) => it.open = true)").await;
        is_accessible(&browser, &axe, "a concluded incident, everything open").await;
        if dark {
            browser.picture("incident-dark").await;
        }
        browser.click("#issue").await;
        is_accessible(&browser, &axe, "the issue").await;
        post(at, "/alerts/generic", json!({"title": "x", "status": "wobbling"})).await;
        for path in ["/", "/clarity", "/sources", "/deliveries", "/runbooks"] {
            browser.go(at, path).await;
            is_accessible(&browser, &axe, path).await;
            browser
                .picture(&format!(
                    "{}{}",
                    path.trim_start_matches('/'),
                    if dark { "-dark" } else { "-light" }
                ))
                .await;
        }
        browser.close().await;
    }
}
