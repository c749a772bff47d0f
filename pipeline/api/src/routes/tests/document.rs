//! The OpenAPI document against the router.

use super::fixture;
use crate::routes::openapi;
use crate::testing::request;
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every reference of a document leads somewhere, and everything in it is of the right form.
fn walk<'a>(value: &'a Value, at: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            at(object);
            object.values().for_each(|value| walk(value, at));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, at)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_says_what_the_router_does() {
    let document: Value = serde_json::from_str(&openapi()).expect("JSON");
    assert_eq!(document["openapi"], json!("3.1.0"));
    let mut operations = BTreeSet::new();
    let api = fixture();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(operations.insert(id.to_owned()), "{id} is there twice");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(!responses.is_empty(), "{id}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().expect("a name");
                let is_in_path = path.contains(&format!("{{{name}}}"));
                let place = parameter["in"].as_str().expect("a place");
                assert_eq!(place == "path", is_in_path, "{id}: {name} is in {place}");
            }
            // The router has it: neither "no route" nor "no method" without a key's help.
            let path = path.replace(['{', '}'], "");
            let request = request("admin0000000", &method.to_uppercase(), &path);
            let (response, text) = api
                .send(request.body(Body::empty()).expect("a request"))
                .await;
            assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{id}");
            let names_something = text.contains("there is no such") || !text.contains("not-found");
            assert!(names_something, "{id}: {text}");
        }
    }
    assert_eq!(operations.len(), 21, "{operations:?}");
    let schemas = &document["components"]["schemas"];
    walk(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let name = reference.strip_prefix("#/components/schemas/");
            let name = name.unwrap_or_else(|| panic!("{reference}"));
            assert!(schemas.get(name).is_some(), "{reference} leads nowhere");
        }
    });
    assert!(document["components"]["securitySchemes"]["key"].is_object());
}
