//! REST bindings: labels, query parameters, headers, payloads, and the table of routes.

use super::super::model::{Kind, Location, Shape};
use super::super::names;
use super::super::plan::{self, Field};
use super::{Context, types};
use anyhow::{Context as _, Result, bail, ensure};
use std::fmt::Write as _;

pub(super) fn input(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    let fields = plan::fields(cx.model, shape)?;
    let rust = names::type_name(name);
    let has_body = !plan::body_fields(&fields, shape).is_empty();
    let tracks = types::tracks_absence(cx, name, shape);
    // Without a body and without required members every member is bound, and a literal says it all.
    let literal = !has_body && !tracks && !fields.is_empty();
    let mut steps = String::new();
    for field in &fields {
        let Some(source) = source(cx, field, shape)? else { continue };
        let rust = names::field(field.name);
        match field.required {
            None if literal => writeln!(steps, "{rust}: {source},")?,
            None => writeln!(steps, "input.{rust} = {source};")?,
            Some(number) => writeln!(
                steps,
                "if let Some(value) = {source} {{\ninput.{rust} = value;\ninput.absent.clear({number});\n}}"
            )?,
        }
    }
    let body = if literal {
        format!("Ok(Self {{\n{steps}}})\n")
    } else if steps.is_empty() {
        if has_body { "codec.decode(&request.body)\n" } else { "Ok(Self::default())\n" }.to_owned()
    } else {
        let start = if has_body {
            "codec.decode(&request.body)?".to_owned()
        } else {
            format!("Self {{ absent: Absent::all({}), ..Self::default() }}", shape.required.len())
        };
        format!("let mut input: Self = {start};\n{steps}Ok(input)\n")
    };
    let codec = if has_body || steps.contains("codec.") { "codec" } else { "_codec" };
    let request = if has_body || !steps.is_empty() { "request" } else { "_request" };
    Ok(format!(
        "impl RestInput for {rust} {{\n\
         fn from_request<C: Codec>({codec}: &C, {request}: &RestRequest<'_>) -> Result<Self, DecodeError> {{\n\
         {body}}}\n}}\n\n"
    ))
}

/// Where the value of a field comes from; nothing for members of the body.
fn source(cx: &Context<'_>, field: &Field<'_>, shape: &Shape) -> Result<Option<String>> {
    let wire = field.wire_name();
    let kind = cx.model.shape(&field.member.shape)?.kind;
    Ok(Some(match field.member.location {
        Some(Location::Uri) => format!("request.label({wire:?})?"),
        Some(Location::Header) => format!("request.header({wire:?})?"),
        Some(Location::Querystring) if kind == Kind::List => format!("request.query_list({wire:?})?"),
        Some(Location::Querystring) => format!("request.query({wire:?})?"),
        Some(Location::StatusCode) => bail!("{} is an input with a status code", field.name),
        None if shape.payload.as_deref() == Some(field.name) => match kind {
            Kind::Blob => "request.payload()".to_owned(),
            Kind::Structure => {
                let decoded = "request.payload().map(|body| codec.decode(&body)).transpose()?";
                decoded.to_owned()
            }
            _ => bail!("{} is a payload of a kind not known here", field.name),
        },
        None => return Ok(None),
    }))
}

pub(super) fn output(cx: &Context<'_>, name: &str, shape: &Shape) -> Result<String> {
    let fields = plan::fields(cx.model, shape)?;
    let rust = names::type_name(name);
    let mut steps = String::new();
    for field in plan::bound(&fields, Location::StatusCode) {
        ensure!(field.required.is_none(), "{name}: a required status code");
        writeln!(steps, "response.set_status(self.{}.as_ref());", names::field(field.name))?;
    }
    for field in plan::bound(&fields, Location::Header) {
        let rust = names::field(field.name);
        let value = if field.required.is_some() {
            format!("Some(&self.{rust})")
        } else {
            format!("self.{rust}.as_ref()")
        };
        writeln!(steps, "response.header({:?}, {value});", field.wire_name())?;
    }
    let payload = fields.iter().find(|field| shape.payload.as_deref() == Some(field.name));
    if let Some(payload) = payload {
        let kind = cx.model.shape(&payload.member.shape)?.kind;
        ensure!(
            kind == Kind::Blob && payload.required.is_none(),
            "{name}: a payload of a kind not known here"
        );
        let rust = names::field(payload.name);
        writeln!(
            steps,
            "if let Some(payload) = &self.{rust} {{\nresponse.set_body(C::CONTENT_TYPE, payload.clone());\n}}"
        )?;
    } else if !plan::body_fields(&fields, shape).is_empty() || fields.is_empty() {
        writeln!(steps, "response.set_body(C::CONTENT_TYPE, codec.encode(self));")?;
    }
    let codec = if steps.contains("codec.") { "codec" } else { "_codec" };
    Ok(format!(
        "impl RestOutput for {rust} {{\n\
         fn write_response<C: Codec>(&self, {codec}: &C, response: &mut RestResponse) {{\n{steps}}}\n}}\n\n"
    ))
}

/// `routes.rs`: where every operation lives. Routes that need a query parameter come before those that do not.
pub(super) fn routes(cx: &Context<'_>) -> Result<String> {
    let mut routes = Vec::new();
    for (name, operation) in cx.model.operations.iter() {
        let uri = &operation.http.request_uri;
        let (path, query) =
            uri.split_once('?').map_or((uri.as_str(), None), |(path, query)| (path, Some(query)));
        ensure!(!path.contains('+'), "{name}: greedy labels are not supported");
        let condition = match query {
            None => "None".to_owned(),
            Some(query) => {
                let (key, value) = query.split_once('=').context("a query condition is key=value")?;
                format!("Some(({key:?}, {value:?}))")
            }
        };
        let text = format!(
            "Route::new({:?}, {path:?}, {condition}, Operation::{}),\n",
            operation.http.method,
            names::type_name(name),
        );
        routes.push((query.is_none(), text));
    }
    routes.sort_by_key(|(plain, _)| *plain);
    let table: String = routes.iter().map(|(_, text)| text.as_str()).collect();
    Ok(format!(
        "/// Every operation's method and URI template.\n\
         pub const ROUTES: [Route<Operation>; {}] = [\n{table}];\n\n\
         /// The operation that answers `method` on `path`, with the values of its labels. `path` is as it came on the\n\
         /// wire, percent-encoded; one trailing slash is ignored.\n\
         pub fn route(method: &str, path: &str, query: &Query) -> Option<(Operation, Labels)> {{\n\
         match_route(&ROUTES, method, path, query)\n}}\n",
        routes.len()
    ))
}
