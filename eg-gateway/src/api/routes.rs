//! The route table of the Config API. Each entry holds a handler and its documentation, so the router and the OpenAPI
//! document cannot differ; `openapi` prints the document.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, on};
use eg_sdk::Schema;
use eg_sdk::schema::Shape;

use super::{ApiState, errors};

/// The routes of one resource: a router and its part of the OpenAPI document.
#[must_use]
pub(super) struct Routes {
    tag: &'static str,
    pub(super) router: Router<Arc<ApiState>>,
    pub(super) operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// The method in lower case, as in OpenAPI.
    pub(super) method: &'static str,
    /// The path with parameters in braces, the syntax of both axum and OpenAPI.
    pub(super) path: String,
    /// The resource that the operation belongs to.
    pub(super) tag: &'static str,
    pub(super) doc: Doc,
}

/// The documentation of an operation: its purpose, its input and its answer.
#[derive(Debug, Clone)]
pub(super) struct Doc {
    /// Its unique name, which generated clients use for their function.
    pub(super) id: String,
    pub(super) summary: String,
    pub(super) query: &'static [Parameter],
    pub(super) body: Option<Content>,
    pub(super) status: StatusCode,
    pub(super) answer: Option<Content>,
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) shape: &'static Shape,
}

/// The content of a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    Json(Component),
    /// JSON that the client may omit.
    OptionalJson(Component),
    /// An object with one member, `member`, an array of these.
    List {
        member: &'static str,
        items: Component,
    },
    /// Text of this media type.
    Text(&'static str),
}

/// A named schema of the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
}

impl Content {
    /// Returns a JSON body of type `T`, whose schema is called `name` in the document.
    pub(super) const fn json<T: Schema + ?Sized>(name: &'static str) -> Self {
        Self::Json(Component::of::<T>(name))
    }
}

impl Component {
    /// Returns the schema of `T`, called `name`.
    pub(super) const fn of<T: Schema + ?Sized>(name: &'static str) -> Self {
        Self { name, shape: T::SHAPE }
    }
}

impl Doc {
    /// Returns an operation that answers `200` without a body.
    pub(super) fn new(id: impl Into<String>, summary: impl Into<String>) -> Self {
        let (id, summary) = (id.into(), summary.into());
        Self { id, summary, query: &[], body: None, status: StatusCode::OK, answer: None }
    }

    pub(super) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    pub(super) fn body(self, body: Content) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Makes the operation answer `status`, without a body.
    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn answer(self, answer: Content) -> Self {
        Self { answer: Some(answer), ..self }
    }
}

impl Routes {
    pub(super) fn new(tag: &'static str) -> Self {
        Self { tag, router: Router::new(), operations: Vec::new() }
    }

    pub(super) fn get<H: Handler<T, Arc<ApiState>>, T: 'static>(
        self,
        path: &str,
        handler: H,
        doc: Doc,
    ) -> Self {
        let mut routes = self.add("get", MethodFilter::GET, path, handler, doc);
        // axum answers HEAD with the handler of GET; the original did not.
        routes.router =
            routes.router.route(path, on(MethodFilter::HEAD, async || errors::method_not_allowed()));
        routes
    }

    pub(super) fn post<H: Handler<T, Arc<ApiState>>, T: 'static>(
        self,
        path: &str,
        handler: H,
        doc: Doc,
    ) -> Self {
        self.add("post", MethodFilter::POST, path, handler, doc)
    }

    pub(super) fn put<H: Handler<T, Arc<ApiState>>, T: 'static>(
        self,
        path: &str,
        handler: H,
        doc: Doc,
    ) -> Self {
        self.add("put", MethodFilter::PUT, path, handler, doc)
    }

    pub(super) fn delete<H: Handler<T, Arc<ApiState>>, T: 'static>(
        self,
        path: &str,
        handler: H,
        doc: Doc,
    ) -> Self {
        self.add("delete", MethodFilter::DELETE, path, handler, doc)
    }

    fn add<H: Handler<T, Arc<ApiState>>, T: 'static>(
        mut self,
        method: &'static str,
        filter: MethodFilter,
        path: &str,
        handler: H,
        doc: Doc,
    ) -> Self {
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push(Operation { method, path: path.to_owned(), tag: self.tag, doc });
        self
    }

    /// Adds the routes of another resource below `prefix`.
    pub(super) fn nest(mut self, prefix: &str, inner: Self) -> Self {
        self.router = self.router.nest(prefix, inner.router);
        let below =
            |operation: Operation| Operation { path: format!("{prefix}{}", operation.path), ..operation };
        self.operations.extend(inner.operations.into_iter().map(below));
        self
    }

    /// Adds the routes of another resource.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }
}
