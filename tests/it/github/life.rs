//! An issue's life: what people wrote and decided stands, it is closed and opened again, it links and is linked, it is split.

use firstcheck::incident::IssueRef;

use super::*;

stories! {
    what_people_wrote_labelled_and_named_is_kept
    an_issue_that_a_person_opens_again_stays_open
    an_incident_that_is_opened_again_opens_its_issue_again
    a_problem_that_comes_back_opens_its_issue_again
    what_was_closed_as_not_planned_is_never_opened_again
    after_the_window_a_new_issue_links_the_earlier_one
    a_second_issue_of_an_incident_is_closed_as_a_duplicate
    a_section_too_long_for_a_body_goes_on_in_comments
    the_route_gives_labels_and_assignees
    codeowners_of_the_repository_are_assigned
    a_label_nobody_may_create_is_left_out_and_said
    people_who_cannot_be_assigned_are_left_out_and_said
}

fn earlier(issue: &IssueRef, hours: u64) -> Earlier {
    Earlier {
        issue: issue.clone(),
        incident: IncidentId::from_seed(7),
        over_for: Duration::from_hours(hours),
    }
}

fn body(world: &World, number: usize) -> String {
    world.fake.issues()[number - 1]["body"].as_str().unwrap().to_owned()
}

async fn what_people_wrote_labelled_and_named_is_kept(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("one"), None).await.unwrap();
    world.fake.edit(1, |issue| {
        let body = issue["body"].as_str().unwrap().replace('\n', "\r\n");
        issue["body"] = format!("Seen in March.\r\n\r\n{body}\r\n\r\nI restarted it.").into();
        issue["labels"] = json!([{"name": "bucket:server"}, {"name": "firstcheck"}, {"name": "team-a"}]);
        issue["title"] = json!("Reports are late again");
    });
    for text in ["two", "three"] {
        world.file(&world.issue(text), Some(&first)).await.unwrap();
    }
    let issue = &world.fake.issues()[0];
    let body = issue["body"].as_str().unwrap();
    for kept in ["Seen in March.", "I restarted it.", "three"] {
        assert!(body.contains(kept), "{kept}: {body}");
    }
    assert!(!body.contains("one\n"), "{body}");
    assert_eq!(issue["title"], "Reports are late again");
    assert_eq!(labels(issue), ["bucket:upstream", "firstcheck", "team-a"]);
}

async fn an_issue_that_a_person_opens_again_stays_open(fake: github::GitHub) {
    let world = World::at(fake);
    let mut over = world.issue("one");
    over.closed = true;
    let first = world.file(&over, None).await.unwrap();
    assert_eq!(world.fake.issues()[0]["state"], "closed");
    assert_eq!(world.fake.issues()[0]["state_reason"], "completed");
    world.fake.edit(1, |issue| issue["state"] = json!("open"));
    over.body = over.body.replace("one", "two");
    world.file(&over, Some(&first)).await.unwrap();
    assert_eq!(world.fake.issues()[0]["state"], "open");
    assert!(body(&world, 1).contains("two"));
    world.fake.finish();
}

async fn an_incident_that_is_opened_again_opens_its_issue_again(fake: github::GitHub) {
    let world = World::at(fake);
    let mut issue = world.issue("one");
    for (closed, state) in [(true, "closed"), (false, "open"), (false, "open"), (true, "closed")] {
        issue.closed = closed;
        let known = IssueRef { reference: "shop/incidents#1".into(), url: String::new() };
        let known = Some(&known).filter(|_| !world.fake.issues().is_empty());
        world.file(&issue, known).await.unwrap();
        assert_eq!(world.fake.issues()[0]["state"], state);
    }
    world.fake.finish();
}

async fn a_problem_that_comes_back_opens_its_issue_again(fake: github::GitHub) {
    let world = World::at(fake);
    let mut over = world.issue("first time");
    over.closed = true;
    let first = world.file(&over, None).await.unwrap();
    let world = World { id: IncidentId::from_seed(8), ..world };
    let mut back = world.issue("second time");
    // The answer to the comment is lost: it is there all the same, once.
    world.fake.fail_next(Fault::BadGatewayAfter);
    for _ in 0..3 {
        let _lost = world.place(&back, None, Some(&earlier(&first, 1))).await;
    }
    let placed = world.place(&back, None, Some(&earlier(&first, 1))).await.unwrap();
    assert_eq!(placed.issue, first);
    let issue = &world.fake.issues()[0];
    assert_eq!((&issue["state"], &issue["state_reason"]), (&json!("open"), &json!("reopened")));
    assert!(body(&world, 1).contains("first time"), "the earlier section stays");
    let comments = world.fake.comments(1);
    assert_eq!(comments.iter().filter(|it| it.contains("second time")).count(), 1, "{comments:#?}");

    back.closed = true;
    back.body = back.body.replace("second time", "over again");
    world.place(&back, Some(&first), Some(&earlier(&first, 1))).await.unwrap();
    assert_eq!(world.fake.issues()[0]["state"], "closed");
    let comments = world.fake.comments(1);
    assert!(comments.len() == 1 && comments[0].contains("over again"), "{comments:#?}");
    assert_eq!((world.fake.issues().len(), world.fake.count(CREATE)), (1, 1));
    world.fake.finish();
}

async fn what_was_closed_as_not_planned_is_never_opened_again(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("first time"), None).await.unwrap();
    world.fake.edit(1, |issue| {
        issue["state"] = json!("closed");
        issue["state_reason"] = json!("not_planned");
    });
    let world = World { id: IncidentId::from_seed(8), ..world };
    let placed = world.place(&world.issue("second time"), None, Some(&earlier(&first, 1))).await.unwrap();
    assert_eq!(placed.issue, first, "the evidence is kept there, and nobody gets another issue");
    assert_eq!(world.fake.issues()[0]["state"], "closed");
    assert_eq!(world.fake.issues()[0]["state_reason"], "not_planned");
    assert!(world.fake.comments(1)[0].contains("second time"));
    world.fake.finish();
}

async fn after_the_window_a_new_issue_links_the_earlier_one(fake: github::GitHub) {
    let world = World::at(fake);
    let first = world.file(&world.issue("first time"), None).await.unwrap();
    let world = World { id: IncidentId::from_seed(8), ..world };
    let placed = world.place(&world.issue("much later"), None, Some(&earlier(&first, 25))).await.unwrap();
    assert_eq!(placed.issue.reference, "shop/incidents#2");
    assert!(body(&world, 2).contains("endpoint: shop/incidents#1 (`inc-7000000000`)"), "{}", body(&world, 2));
    // The link is outside our section: an update leaves it.
    world.place(&world.issue("now"), Some(&placed.issue), Some(&earlier(&first, 25))).await.unwrap();
    assert_eq!(body(&world, 2).matches("An earlier incident").count(), 1);
    world.fake.finish();
}

async fn a_second_issue_of_an_incident_is_closed_as_a_duplicate(fake: github::GitHub) {
    let world = World::at(fake);
    for title in ["one", "two"] {
        world.fake.file_as(github::LOGIN, title, &world.issue("text").body);
    }
    for _ in 0..2 {
        assert_eq!(world.file(&world.issue("text"), None).await.unwrap().reference, "shop/incidents#1");
    }
    let issues = world.fake.issues();
    assert_eq!((&issues[0]["state"], &issues[1]["state"]), (&json!("open"), &json!("closed")));
    assert_eq!(issues[1]["state_reason"], "duplicate");
    let comments = world.fake.comments(2);
    assert!(comments.len() == 1 && comments[0].ends_with("\nDuplicate of #1"), "{comments:#?}");
    world.fake.finish();
}

async fn a_section_too_long_for_a_body_goes_on_in_comments(fake: github::GitHub) {
    let world = World::at(fake);
    let long = |paragraphs: usize| {
        (0..paragraphs)
            .map(|number| format!("Paragraph {number}. {}", "x".repeat(900)))
            .collect::<Vec<_>>()
            .join("\n\n")
    };
    let first = world.file(&world.issue(&long(200)), None).await.unwrap();
    let written = |world: &World| {
        let mut all = vec![body(world, 1)];
        all.extend(world.fake.comments(1));
        all
    };
    let all = written(&world);
    assert_eq!(all.len(), 3, "{:?}", all.iter().map(String::len).collect::<Vec<_>>());
    for number in 0..200 {
        let told = all.iter().filter(|text| text.contains(&format!("Paragraph {number}. "))).count();
        assert_eq!(told, 1, "paragraph {number}");
    }
    // What a person writes below takes its room, an answer that is lost is no second comment, and no part stays that is not needed.
    world.fake.edit(1, |issue| {
        issue["body"] = format!("{}\n\n{}", issue["body"].as_str().unwrap(), "mine ".repeat(4000)).into();
    });
    world.fake.fail_next(Fault::BadGatewayAfter);
    for _ in 0..3 {
        let _lost = world.file(&world.issue(&long(199)), Some(&first)).await;
    }
    world.file(&world.issue(&long(199)), Some(&first)).await.unwrap();
    let all = written(&world);
    let told: usize = all.iter().map(|text| text.matches("Paragraph 150. ").count()).sum();
    assert_eq!(told, 1);
    assert!(all[0].contains("mine mine"));
    world.file(&world.issue("short"), Some(&first)).await.unwrap();
    let all = written(&world);
    assert!(all[1..].iter().all(|text| text.ends_with("_This part is needed no more._")), "{all:#?}");
    assert!(!all[0].contains("goes on"), "{}", all[0]);
    world.fake.finish();
}

async fn the_route_gives_labels_and_assignees(fake: github::GitHub) {
    fake.knows(&["mira", "jo"]);
    let mut world = World::at(fake);
    world.route.labels = vec!["team:orders".into()];
    world.route.assignees = vec!["mira".into()];
    let first = world.file(&world.issue("one"), None).await.unwrap();
    let issue = world.fake.issues().remove(0);
    assert_eq!(labels(&issue), ["firstcheck", "bucket:upstream", "team:orders"]);
    assert_eq!(issue["assignees"][0]["login"], "mira");
    // Whom people assign instead is theirs to say.
    world.fake.edit(1, |issue| issue["assignees"][0]["login"] = json!("jo"));
    world.file(&world.issue("two"), Some(&first)).await.unwrap();
    assert_eq!(world.fake.issues()[0]["assignees"][0]["login"], "jo");
    world.fake.finish();
}

async fn codeowners_of_the_repository_are_assigned(fake: github::GitHub) {
    fake.knows(&["ana", "jo"]);
    fake.has_file("CODEOWNERS", "* @jo\n/services/orders/ @ana @shop/orders\n");
    let mut world = World::at(fake);
    world.route.look_up = Some("services/orders".into());
    world.file(&world.issue("one"), None).await.unwrap();
    let issue = world.fake.issues().remove(0);
    assert_eq!(issue["assignees"].as_array().unwrap().len(), 1);
    assert_eq!(issue["assignees"][0]["login"], "ana");
    world.fake.finish();
}

async fn a_label_nobody_may_create_is_left_out_and_said(fake: github::GitHub) {
    fake.no_new_labels();
    let world = World::at(fake);
    let placed = world.place(&world.issue("one"), None, None).await.unwrap();
    let said: Vec<&str> = placed.left_out.iter().map(|it| it.why.as_str()).collect();
    assert!(
        said[0].starts_with("the label `firstcheck`, which does not exist and cannot be created"),
        "{said:?}"
    );
    assert_eq!(said.len(), 2);
    world.place(&world.issue("two"), Some(&placed.issue), None).await.unwrap();
    assert_eq!(world.fake.count("POST /repos/shop/incidents/labels"), 2, "each is tried once");
    assert!(body(&world, 1).contains("two"));
    world.fake.finish();
}

async fn people_who_cannot_be_assigned_are_left_out_and_said(fake: github::GitHub) {
    let mut world = World::at(fake);
    world.route.assignees = vec!["stranger".into()];
    let placed = world.place(&world.issue("one"), None, None).await.unwrap();
    assert_eq!(world.fake.issues().len(), 1);
    assert!(placed.left_out[0].why.contains("assignees: invalid"), "{placed:?}");
    world.fake.finish();
}
