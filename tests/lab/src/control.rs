//! A client of the simulators' control server; `tests/sim/src/control` documents it.

use serde_json::Value;

use crate::LabError;

/// Shapes the emulated world over HTTP, as a person with curl would.
#[derive(Debug, Clone)]
pub struct Control {
    url: String,
    http: reqwest::Client,
}

impl Control {
    /// A client of the control server at `url`.
    ///
    /// # Errors
    /// [`LabError::Client`] when no HTTP client can be made.
    pub fn new(url: String) -> Result<Self, LabError> {
        let http = reqwest::Client::builder().no_proxy().build();
        Ok(Self { url, http: http.map_err(LabError::Client)? })
    }

    /// The HTTP client, for other calls of this lab.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads something, e.g. `/world`.
    ///
    /// # Errors
    /// [`LabError::Control`] with what the server said.
    pub async fn get(&self, path: &str) -> Result<Value, LabError> {
        Self::answer(path, self.http.get(format!("{}{path}", self.url))).await
    }

    /// Makes something happen, e.g. `/faults`.
    ///
    /// # Errors
    /// [`LabError::Control`] with what the server said.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, LabError> {
        Self::answer(path, self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Replaces something, e.g. `/switches`.
    ///
    /// # Errors
    /// [`LabError::Control`] with what the server said.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, LabError> {
        Self::answer(path, self.http.put(format!("{}{path}", self.url)).json(body)).await
    }

    /// Takes something away, e.g. `/faults`.
    ///
    /// # Errors
    /// [`LabError::Control`] with what the server said.
    pub async fn delete(&self, path: &str) -> Result<Value, LabError> {
        Self::answer(path, self.http.delete(format!("{}{path}", self.url))).await
    }

    async fn answer(path: &str, request: reqwest::RequestBuilder) -> Result<Value, LabError> {
        let failed = |what: String| LabError::Control { path: path.to_owned(), what };
        let answer = request.send().await.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(failed(format!("{status}, {text}")));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}
