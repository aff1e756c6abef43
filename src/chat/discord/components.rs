//! What people click: buttons, menus and forms, within Discord's limits.
//!
//! Up to five answers (`unknown` among them) are buttons; more, or several at once, are a menu. Words are written into a
//! form behind a button. `unknown` is always there.

use serenity::all::{
    ButtonStyle, CreateActionRow, CreateButton, CreateInputText, CreateModal, CreateSelectMenu,
    CreateSelectMenuKind, CreateSelectMenuOption, InputTextStyle,
};

use super::custom_id::{CustomId, Means};
use crate::incident::IncidentId;
use crate::question::QuestionId;
use crate::runbook::Question;

/// Buttons in a row.
const BUTTONS: usize = 5;
/// Characters of a button's label.
const BUTTON_LABEL: usize = 80;
/// Characters of a menu option's label and description.
const OPTION: usize = 100;
/// Characters of a form's title and of its field's label.
const FORM_LABEL: usize = 45;
/// Characters a form's field takes: a curl command with its headers fits.
const FORM_VALUE: u16 = 4000;

/// The rows below a question: its answers, and below them what else can be done about it.
pub(super) fn answers(incident: &IncidentId, question: &Question) -> Vec<CreateActionRow> {
    let id = |means| CustomId { incident: incident.clone(), question: question.id, means }.to_string();
    let choice = question.id.choice();
    let button = |means, label: &str, style| CreateButton::new(id(means)).label(label).style(style);
    let unknown = || button(Means::Click("unknown".into()), "unknown", ButtonStyle::Secondary);
    let mut rows = Vec::new();
    let mut others: Vec<CreateButton> = Vec::new();
    if choice.takes_text() {
        others.push(button(Means::Words, "Answer in words", ButtonStyle::Primary));
    }
    if !choice.is_multiple() && question.answers.len() < BUTTONS {
        let mut row: Vec<CreateButton> = question
            .answers
            .iter()
            .map(|answer| {
                let label = shortened(&answer.label, BUTTON_LABEL);
                button(Means::Click(answer.id.clone()), &label, ButtonStyle::Primary)
            })
            .collect();
        row.push(unknown());
        rows.push(CreateActionRow::Buttons(row));
    } else {
        rows.push(CreateActionRow::SelectMenu(menu(id(Means::Menu), question)));
        others.push(unknown());
    }
    others.push(button(Means::PassOn, "Ask somebody else", ButtonStyle::Secondary));
    rows.push(CreateActionRow::Buttons(others));
    rows
}

/// The menu of people behind "Ask somebody else": one of them.
pub(super) fn people(incident: &IncidentId, question: QuestionId) -> CreateActionRow {
    let id = CustomId { incident: incident.clone(), question, means: Means::PassTo }.to_string();
    let kind = CreateSelectMenuKind::User { default_users: None };
    CreateActionRow::SelectMenu(
        CreateSelectMenu::new(id, kind).placeholder("Somebody who can answer it").min_values(1).max_values(1),
    )
}

fn menu(id: String, question: &Question) -> CreateSelectMenu {
    let mut options: Vec<CreateSelectMenuOption> = question
        .answers
        .iter()
        .map(|answer| {
            let option = CreateSelectMenuOption::new(shortened(&answer.label, OPTION), answer.id.clone());
            if answer.label == answer.id { option } else { option.description(answer.id.clone()) }
        })
        .collect();
    options.push(CreateSelectMenuOption::new("unknown", "unknown").description("cannot tell"));
    let several = question.id.choice().is_multiple();
    let most = if several { u8::try_from(options.len()).unwrap_or(25) } else { 1 };
    CreateSelectMenu::new(id, CreateSelectMenuKind::String { options })
        .placeholder(if several { "Pick all that apply" } else { "Pick one" })
        .min_values(1)
        .max_values(most)
}

/// The form for an answer in words.
pub(super) fn form(incident: &IncidentId, question: QuestionId) -> CreateModal {
    let id = CustomId { incident: incident.clone(), question, means: Means::Words }.to_string();
    let title = shortened(&question.id().replace('_', " "), FORM_LABEL);
    let field = CreateInputText::new(InputTextStyle::Paragraph, "Your answer", "words")
        .placeholder("Secrets are taken out before it leaves the house.")
        .max_length(FORM_VALUE)
        .required(true);
    CreateModal::new(id, title).components(vec![CreateActionRow::InputText(field)])
}

/// The text, or its start and an ellipsis when it has more characters than Discord takes.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::runbook::Knowledge;

    fn rows(id: QuestionId) -> Vec<Value> {
        let rows = answers(&IncidentId::from_seed(7), Knowledge::builtin().question(id));
        rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect()
    }

    #[test]
    fn few_answers_are_buttons_and_unknown_is_the_last() {
        let rows = rows(QuestionId::EndpointScope);
        let buttons = rows[0]["components"].as_array().unwrap();
        assert_eq!(buttons.len(), 4);
        assert_eq!(
            buttons[3]["custom_id"],
            format!("fc|{}|endpoint_scope|unknown", IncidentId::from_seed(7))
        );
    }

    #[test]
    fn several_answers_at_once_are_a_menu() {
        let rows = rows(QuestionId::ChangeAtStart);
        let menu = &rows[0]["components"][0];
        assert_eq!(
            (&menu["type"], &menu["min_values"], &menu["max_values"]),
            (&3.into(), &1.into(), &9.into())
        );
        assert_eq!(rows[1]["components"][0]["label"], "unknown");
        assert_eq!(rows[1]["components"][1]["label"], "Ask somebody else");
    }

    #[test]
    fn more_answers_than_a_row_has_buttons_are_a_menu_of_one() {
        assert_eq!(rows(QuestionId::TokenState)[0]["components"][0]["max_values"], 1);
    }

    #[test]
    fn words_are_behind_a_button() {
        let rows = rows(QuestionId::FailingRequest);
        assert_eq!(rows[1]["components"][0]["label"], "Answer in words");
        let form = serde_json::to_value(form(&IncidentId::from_seed(7), QuestionId::FailingRequest)).unwrap();
        assert_eq!(form["title"], "failing request");
    }

    #[test]
    fn every_question_keeps_discords_limits() {
        for id in QuestionId::ALL {
            let rows = rows(id);
            assert!((1..=5).contains(&rows.len()), "{id}");
            for row in rows {
                let components = row["components"].as_array().unwrap();
                assert!((1..=5).contains(&components.len()), "{id}");
                for component in components {
                    let label = component["label"].as_str().unwrap_or_default();
                    assert!(label.chars().count() <= 80, "{id}");
                    for option in component["options"].as_array().into_iter().flatten() {
                        assert!(option["label"].as_str().unwrap().chars().count() <= 100, "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_label_ends_in_an_ellipsis() {
        assert_eq!(shortened("abcdef", 4), "abc…");
    }
}
