//! What each command says of itself, in English and in the languages its reader may have set: one line each, 100 characters
//! at most (Discord's documentation, application commands).

/// A command, or a command and a subcommand; English, German, French, Spanish.
const DESCRIPTIONS: [(&str, [&str; 4]); 16] = [
    (
        "triage",
        [
            "Which boundary failed first, and what to do next",
            "Welche Grenze zuerst versagt hat, und was als Nächstes zu tun ist",
            "Quelle frontière a cédé en premier, et que faire ensuite",
            "Qué frontera falló primero, y qué hacer después",
        ],
    ),
    (
        "triage start",
        [
            "Start an incident by hand",
            "Einen Vorfall von Hand beginnen",
            "Ouvrir un incident à la main",
            "Abrir un incidente a mano",
        ],
    ),
    (
        "triage status",
        [
            "How an incident stands",
            "Wie es um einen Vorfall steht",
            "Où en est un incident",
            "Cómo va un incidente",
        ],
    ),
    (
        "triage list",
        ["The open incidents", "Die offenen Vorfälle", "Les incidents ouverts", "Los incidentes abiertos"],
    ),
    (
        "incident",
        [
            "Close, reopen, correct, snooze, assign or file an incident",
            "Einen Vorfall schließen, wieder öffnen, berichtigen, ruhen lassen, zuweisen oder melden",
            "Fermer, rouvrir, corriger, mettre en pause, attribuer ou consigner un incident",
            "Cerrar, reabrir, corregir, posponer, asignar o registrar un incidente",
        ],
    ),
    (
        "incident close",
        [
            "Nothing more is expected of it",
            "Es wird nichts mehr davon erwartet",
            "On n'en attend plus rien",
            "No se espera nada más",
        ],
    ),
    (
        "incident reopen",
        [
            "It is not over after all, or its snooze ends now",
            "Er ist doch nicht vorbei, oder seine Ruhe endet jetzt",
            "Il n'est pas terminé, ou sa pause s'achève maintenant",
            "No ha terminado, o su pausa acaba ahora",
        ],
    ),
    (
        "incident reclassify",
        [
            "Say which boundary it really was",
            "Sagen, welche Grenze es wirklich war",
            "Dire quelle frontière c'était vraiment",
            "Decir qué frontera fue en realidad",
        ],
    ),
    (
        "incident snooze",
        [
            "Ask nobody for a while; checks go on",
            "Eine Weile niemanden fragen; Prüfungen laufen weiter",
            "Ne demander à personne pendant un moment ; les contrôles continuent",
            "No preguntar a nadie por un rato; las comprobaciones siguen",
        ],
    ),
    (
        "incident assign",
        [
            "Say whose it is now",
            "Sagen, wem er jetzt gehört",
            "Dire à qui il revient",
            "Decir de quién es ahora",
        ],
    ),
    (
        "incident file",
        [
            "File the issue now, as the incident stands",
            "Das Issue jetzt anlegen, so wie der Vorfall steht",
            "Créer le ticket maintenant, dans l'état actuel",
            "Crear el issue ahora, tal como está",
        ],
    ),
    (
        "incident evidence",
        [
            "The evidence pack, redacted",
            "Die Beweismappe, geschwärzt",
            "Le dossier de preuves, expurgé",
            "El paquete de pruebas, censurado",
        ],
    ),
    (
        "check",
        [
            "Run one confirming check",
            "Eine einzelne Prüfung ausführen",
            "Lancer un contrôle",
            "Ejecutar una comprobación",
        ],
    ),
    (
        "runbook",
        [
            "What the bot knows of causes and checks",
            "Was der Bot über Ursachen und Prüfungen weiß",
            "Ce que le bot sait des causes et des contrôles",
            "Lo que el bot sabe de causas y comprobaciones",
        ],
    ),
    (
        "runbook list",
        [
            "Every runbook, one line each",
            "Alle Runbooks, je eine Zeile",
            "Tous les runbooks, une ligne chacun",
            "Todos los runbooks, una línea cada uno",
        ],
    ),
    (
        "runbook show",
        [
            "One runbook or one cause",
            "Ein Runbook oder eine Ursache",
            "Un runbook ou une cause",
            "Un runbook o una causa",
        ],
    ),
];

/// Discord's names of the languages, in the order of [`DESCRIPTIONS`], after English.
const LOCALES: [&str; 3] = ["de", "fr", "es-ES"];

fn of(key: &str) -> [&'static str; 4] {
    DESCRIPTIONS.iter().find(|(known, _)| *known == key).map(|(_, texts)| *texts).unwrap_or_default()
}

/// In English.
pub(super) fn english(key: &str) -> &'static str {
    of(key)[0]
}

/// In the other languages: Discord's name of each, and the text.
pub(super) fn localized(key: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    LOCALES.into_iter().zip(of(key).into_iter().skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_is_said_in_every_language_and_fits() {
        for (key, texts) in DESCRIPTIONS {
            for text in texts {
                assert!((1..=100).contains(&text.chars().count()), "{key}: {text}");
            }
        }
    }
}
