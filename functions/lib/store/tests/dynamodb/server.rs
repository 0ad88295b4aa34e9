//! A DynamoDB that holds its callers to the rules of this crate: a write without condition and a read that is not consistent are
//! refused. It can answer one call with an error after its effect, as when a reply is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// Items per page of a query, so that pages are seen.
const PAGE: usize = 2;

/// Largest item in bytes.
const ITEM: usize = 400 * 1024;

#[derive(Default)]
struct State {
    items: BTreeMap<(String, String), Value>,
    calls: usize,
    lose: Option<usize>,
}

/// A running server.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

impl Server {
    /// Starts on a free port; returns the configuration of a client of it.
    pub async fn start(&self) -> SdkConfig {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = self.clone();
        let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
            let target = headers["x-amz-target"].to_str().unwrap();
            server.answer(target.rsplit('.').next().unwrap(), &serde_json::from_slice(&body).unwrap())
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("ap-northeast-1"))
            .endpoint_url(url)
            .credentials_provider(aws_credential_types::Credentials::new("id", "key", None, None, "test"))
            .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
            .load()
            .await
    }

    /// Loses the reply of the call with this number, counted from 0 and from the start.
    pub fn lose(&self, call: usize) {
        self.0.lock().unwrap().lose = Some(call);
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    fn answer(&self, action: &str, body: &Value) -> (StatusCode, String) {
        let mut state = self.0.lock().unwrap();
        let call = state.calls;
        state.calls += 1;
        let answer = match action {
            "PutItem" => state.put(body),
            "UpdateItem" => state.update(body),
            "GetItem" => state.get(body),
            "BatchGetItem" => state.get_batch(body),
            "Query" => state.query(body),
            "Scan" => state.scan(body),
            _ => Err(error("UnknownOperationException")),
        };
        if state.lose == Some(call) {
            return (StatusCode::INTERNAL_SERVER_ERROR, error("InternalServerError").to_string());
        }
        match answer {
            Ok(answer) => (StatusCode::OK, answer.to_string()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

fn error(code: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "refused"})
}

fn key(item: &Value) -> (String, String) {
    let part = |name: &str| item[name]["S"].as_str().unwrap().to_owned();
    (part("pk"), part("sk"))
}

impl State {
    fn holds(&self, body: &Value, key: &(String, String)) -> Result<(), Value> {
        let old = self.items.get(key);
        let number = |value: &Value| value["N"].as_str().and_then(|text| text.parse::<i64>().ok());
        let name = body["ExpressionAttributeNames"]["#n"].as_str().unwrap_or_default();
        let stored = old.and_then(|old| number(&old[name]));
        let given = number(&body["ExpressionAttributeValues"][":n"]);
        let holds = match body["ConditionExpression"].as_str() {
            Some("attribute_not_exists(pk)") => old.is_none(),
            Some("attribute_exists(pk)") => old.is_some(),
            Some("attribute_not_exists(pk) OR #n < :n") => old.is_none() || stored < given,
            Some("attribute_not_exists(pk) OR attribute_exists(#n)") => old.is_none() || stored.is_some(),
            Some("#n = :n") => stored.is_some() && stored == given,
            _ => return Err(error("ValidationException")),
        };
        if holds {
            return Ok(());
        }
        let mut lost = error("ConditionalCheckFailedException");
        if let (Some(old), Some("ALL_OLD")) = (old, body["ReturnValuesOnConditionCheckFailure"].as_str()) {
            lost["Item"] = old.clone();
        }
        Err(lost)
    }

    fn put(&mut self, body: &Value) -> Result<Value, Value> {
        if body["Item"].to_string().len() > ITEM {
            return Err(error("ValidationException"));
        }
        let key = key(&body["Item"]);
        self.holds(body, &key)?;
        self.items.insert(key, body["Item"].clone());
        Ok(json!({}))
    }

    /// One page, from after the given key.
    fn scan(&self, body: &Value) -> Result<Value, Value> {
        consistent(body)?;
        let from = body.get("ExclusiveStartKey").map(key);
        let mut rest = self.items.iter().filter(|(key, _)| from.as_ref().is_none_or(|from| *key > from));
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let mut answer = json!({"Items": page.iter().map(|(_, item)| *item).collect::<Vec<_>>()});
        if let (Some(((pk, sk), _)), Some(_)) = (page.last(), rest.next()) {
            answer["LastEvaluatedKey"] = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        }
        Ok(answer)
    }

    fn update(&mut self, body: &Value) -> Result<Value, Value> {
        let key = key(&body["Key"]);
        self.holds(body, &key)?;
        assert_eq!(body["UpdateExpression"], "SET #n = :n");
        let name = body["ExpressionAttributeNames"]["#n"].as_str().unwrap();
        self.items.get_mut(&key).unwrap()[name] = body["ExpressionAttributeValues"][":n"].clone();
        Ok(json!({}))
    }

    fn get(&self, body: &Value) -> Result<Value, Value> {
        consistent(body)?;
        Ok(self.items.get(&key(&body["Key"])).map_or(json!({}), |item| json!({"Item": item})))
    }

    /// Reads the first key and leaves the others for another call.
    fn get_batch(&self, body: &Value) -> Result<Value, Value> {
        let (table, request) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
        consistent(request)?;
        let keys = request["Keys"].as_array().unwrap();
        let read: Vec<&Value> = self.items.get(&key(&keys[0])).into_iter().collect();
        let mut answer = json!({"Responses": {table: read}, "UnprocessedKeys": {}});
        if keys.len() > 1 {
            answer["UnprocessedKeys"] = json!({table: {"Keys": keys[1..], "ConsistentRead": true}});
        }
        Ok(answer)
    }

    fn query(&self, body: &Value) -> Result<Value, Value> {
        consistent(body)?;
        let value = |name: &str| body["ExpressionAttributeValues"][name]["S"].as_str().unwrap_or_default().to_owned();
        let (pk, sk) = (value(":pk"), value(":sk"));
        let condition = body["KeyConditionExpression"].as_str().unwrap();
        let after = body.get("ExclusiveStartKey").map(key);
        let mut found = self.items.iter().filter(|(key, _)| {
            key.0 == pk
                && after.as_ref().is_none_or(|after| *key > after)
                && match condition {
                    "#pk = :pk" => true,
                    "#pk = :pk AND begins_with(#sk, :sk)" => key.1.starts_with(&sk),
                    "#pk = :pk AND #sk >= :sk" => key.1 >= sk,
                    _ => panic!("{condition}"),
                }
        });
        let page: Vec<(&(String, String), &Value)> = found.by_ref().take(PAGE).collect();
        let items: Vec<&Value> = page.iter().map(|(_, item)| *item).collect();
        let mut answer = json!({"Items": items, "Count": items.len()});
        if let (Some(_), Some((last, _))) = (found.next(), page.last()) {
            answer["LastEvaluatedKey"] = json!({"pk": {"S": last.0}, "sk": {"S": last.1}});
        }
        Ok(answer)
    }
}

fn consistent(body: &Value) -> Result<(), Value> {
    if body["ConsistentRead"] == true { Ok(()) } else { Err(error("ValidationException")) }
}
