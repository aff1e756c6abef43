//! The runbooks as a page: whether what is on disk is good, the operator's own, and what ships with the program.

use axum::extract::State;
use axum::response::Html;
use serde::Serialize;

use super::render;
use crate::bucket::Bucket;
use crate::server::Shared;
use crate::server::health::problems_told;
use crate::server::problem::Problem;

#[derive(Serialize)]
struct Page {
    hash: String,
    /// What is wrong on disk, one line each; empty when nothing is.
    broken: Vec<String>,
    own: Vec<Own>,
    shipped: Vec<Shipped>,
}

#[derive(Serialize)]
struct Own {
    name: String,
    title: String,
    steps: usize,
    causes: Vec<String>,
}

#[derive(Serialize)]
struct Shipped {
    file: String,
    bucket: Bucket,
    boundary: String,
    checks: usize,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    id: String,
    says: String,
    next_experiment: String,
}

pub(in crate::server) async fn page(State(shared): State<Shared>) -> Result<Html<String>, Problem> {
    let knowledge = shared.app.knowledge();
    let own = knowledge.own.iter().map(|it| Own {
        name: it.name.clone(),
        title: it.title.clone(),
        steps: it.steps.len(),
        causes: it.causes.clone(),
    });
    let shipped = knowledge.runbooks.iter().map(|it| Shipped {
        file: it.file.clone(),
        bucket: it.bucket,
        boundary: it.boundary.clone(),
        checks: it.checks.len(),
        causes: knowledge
            .causes
            .iter()
            .filter(|cause| cause.bucket == it.bucket)
            .map(|cause| Cause {
                id: cause.id.clone(),
                says: cause.says.clone(),
                next_experiment: cause.next_experiment.clone(),
            })
            .collect(),
    });
    let page = Page {
        hash: knowledge.hash().to_owned(),
        broken: shared.app.runbooks_broken().map(|problems| problems_told(&problems)).unwrap_or_default(),
        own: own.collect(),
        shipped: shipped.collect(),
    };
    render(&shared, "console/runbooks", "runbooks", None, page)
}
