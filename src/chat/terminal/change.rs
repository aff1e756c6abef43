//! How an earlier answer is changed while another question waits.

use crate::question::QuestionId;

/// What is typed as `QUESTION=ANSWER`: another question than the open one, and its new answer.
pub(super) fn change(typed: &str, open: QuestionId) -> Option<(QuestionId, String)> {
    let (id, reply) = typed.trim().split_once('=')?;
    let question: QuestionId = id.trim().parse().ok()?;
    (question != open).then(|| (question, reply.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_another_question_than_the_open_one() {
        use QuestionId::{EndpointScope, FailingRequest};
        let several = Some((EndpointScope, "several".to_owned()));
        assert_eq!(change(" endpoint_scope = several", FailingRequest), several);
        assert_eq!(change("endpoint_scope=several", EndpointScope), None);
        assert_eq!(change("curl https://api.example.com/?a=b", FailingRequest), None);
    }
}
