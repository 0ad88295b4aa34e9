//! Reads every page of an answer; sends a write once.

/// Sends `$request` until EC2 gives no further token, one paced call a page, and returns all of `$items`.
macro_rules! read_pages {
    ($network:expr, $action:literal, $what:expr, $request:expr, $items:ident) => {{
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            $network.pace.take($action, crate::pace::Class::Read).await;
            let page = $request
                .clone()
                .set_next_token(token.take())
                .send()
                .await
                .map_err(|error| $network.error($action, $what, &error))?;
            all.extend(page.$items.unwrap_or_default());
            token = page.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                break all;
            }
        }
    }};
}

/// Sends one mutating call, paced.
macro_rules! write_once {
    ($network:expr, $action:literal, $what:expr, $request:expr) => {{
        $network.pace.take($action, crate::pace::Class::Write).await;
        $request.send().await.map_err(|error| $network.error($action, $what, &error))?
    }};
}

pub(crate) use {read_pages, write_once};

use aws_sdk_ec2::types::Filter;

/// Values of one filter; EC2 takes at most 200. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>
pub(crate) const FILTER_VALUES: usize = 200;

/// A filter with its values.
pub(crate) fn filter<T: ToString>(name: impl Into<String>, values: impl IntoIterator<Item = T>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(|value| value.to_string()).collect())).build()
}
