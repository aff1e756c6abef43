//! What the sender said of an alert, as it came. The alerts of one delivery share its body: an alert that says nothing new is counted, and nobody looks at
//! its element at all, so that a copy of it would be most of what it costs.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The element of a body that an alert was read from. It reads and is written as that value; nothing is `null`.
#[derive(Clone)]
pub struct Raw(Held);

#[derive(Clone)]
enum Held {
    Alone(Value),
    /// A part of this body: its member, or the body itself, and of that the element.
    Part {
        body: Arc<Value>,
        member: Option<&'static str>,
        index: Option<usize>,
    },
}

impl Raw {
    /// The element of this body that a list in it, or the body itself, has at this place; without a place the whole.
    pub(super) fn part(body: &Arc<Value>, member: Option<&'static str>, index: Option<usize>) -> Self {
        Self(Held::Part { body: Arc::clone(body), member, index })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.is_null()
    }
}

impl Deref for Raw {
    type Target = Value;

    fn deref(&self) -> &Value {
        match &self.0 {
            Held::Alone(value) => value,
            Held::Part { body, member, index } => {
                let whole = member.map_or(&**body, |member| &body[member]);
                index.map_or(whole, |index| &whole[index])
            }
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self(Held::Alone(Value::Null))
    }
}

impl From<Value> for Raw {
    fn from(value: Value) -> Self {
        Self(Held::Alone(value))
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_a_body_is_equal_to_that_value_alone_and_written_as_it() {
        let body = Arc::new(json!({"alerts": [{"a": 1}, {"b": 2}], "title": "x"}));
        let second = Raw::part(&body, Some("alerts"), Some(1));
        assert_eq!(second, Raw::from(json!({"b": 2})));
        assert_eq!(serde_json::to_string(&second).unwrap(), r#"{"b":2}"#);
        assert_eq!(*Raw::part(&body, None, None), *body);
        let list = Arc::new(json!([1, 2]));
        assert_eq!(*Raw::part(&list, None, Some(0)), 1);
        assert!(Raw::default().is_nothing());
    }
}
