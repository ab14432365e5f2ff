// Package httpapi serves the HTTP endpoints that start a reindex and show its jobs, over a [reindex.Engine]. A host
// mounts them on its own mux:
//
//	mux := http.NewServeMux()
//	err := httpapi.Mount(mux, engine, httpapi.Config{Authorizer: authorize, Logger: slog.Default()})
//
// The function authorize decides who may do what; package oauth has such functions.
//
// The contract of the endpoints is the OpenAPI document at GET /indexing/openapi.json. This package embeds it, and the
// tests check every answer against it. POST /indexing/{tenant}/reindex has one of these answers, whatever the request:
//
//	204  the reindex was triggered, or joined the one in progress
//	400  the request is wrong, or the engine could not start the reindex; an errorMessage has the reason
//	401  the token is missing, invalid or expired; a fault, of another shape than the others
//	403  the token's scopes do not suffice, or could not be checked; an errorMessage
//	405  the method is not POST; an errorMessage, and the header Allow
//
// With ?dryRun=true, or dryRun in the body, the run does everything except the switch-over. A reindex never joins a dry
// run that is in progress, and a dry run never joins a reindex: the answer is 400 here, and 409 at the newer endpoints.
//
// With ?difference=true, or difference in the body, the run compares the new index with the live one.
//
// The newer endpoints of the contract are about jobs:
//
//	POST /indexing/{tenant}/reindex-jobs       201 the new job, 200 the one in progress, or 409 that is of another kind
//	GET  /indexing/{tenant}/reindex-jobs       200 a page of the tenant's jobs, selected by q, in the order of sort
//	GET  /indexing/{tenant}/reindex-jobs/{id}  200 one job, or 404
//
// These endpoints are beyond the contract:
//
//	GET    /indexing/reindex-tenants                        200 a page of the tenants that the caller may view
//	DELETE /indexing/{tenant}/reindex-jobs/{id}             202 the job was asked to stop, 409 it has ended, or 404
//	GET    /indexing/{tenant}/reindex-jobs/{id}/failures    200 a page of the products that the job rejected, or 404
//	GET    /indexing/{tenant}/reindex-jobs/{id}/difference  200 the job's index compared with the live one, or 404
//	GET    /indexing/{tenant}/reindex-jobs/{id}/events      200 the job's progress as server-sent events, 204 if there
//	                                                        is nothing more to send, or 404
//
// Further endpoints change products, limit and schedule runs, and go back to an earlier index. They are served if the
// fields Changes, Throttle, Schedule and Rollbacks of [Config] are set.
//
// # Decisions that the contract leaves open
//
// If the engine cannot carry out a valid request, because it was shut down or its job store failed, the caller is not
// at fault. The contract has no 5xx status, so the answer is 400. Its message is [MessageUnavailable], which no other
// answer has, so that a caller can recognise it and try again. The response does not show the reason. The log has it,
// under the request id in the details. The same holds for a panic.
//
// If an [Authorizer] cannot decide, because the server that it asks is down, the answer is 403 with the message
// [MessageNotAuthorized]. It is not 401, since clients would then fetch a new token and try again at once, which adds
// load to a server that is failing already.
//
// Triggers that come too often ([Config].TriggerRate) are answered with 400 and [MessageTooManyTriggers], since the
// contract has no 429, and a client that fails to authenticate too often ([LimitFailures]) with 403 and
// [MessageTooManyFailures]. Both answers have the header Retry-After, in seconds, which no other answer has.
//
// A request is checked in this order, and a run is started only if it passes all checks: path, method, tenant,
// authorization, body, rate. Therefore an Authorizer never sees a tenant outside of the grammar.
//
// Unknown fields of a body are ignored, since the schema does not exclude them. Two fields of the same name, a null
// mode, and a body in another encoding or type than plain UTF-8 JSON are refused. The type of an empty body does not
// matter.
//
// The creation of a job with rag is refused without Config.RAG, and that of a job of an entityType for which
// Config.Engines has no engine is also refused. So is a query with a field that jobs do not have. If the number of
// products to expect is not known, a job has no expectedCount. If the number is an estimate, the job has the field
// estimated with the value true; otherwise the field is missing.
//
// A job's processedCount is the number of products that were indexed, as the contract says. Beyond the contract,
// readCount, rejectedCount, duplicateCount and conflictCount (duplicates that differ) show whether a job left products
// out. The fields changesApplied and changesRefused count the changes of single products during the job (see
// reindex.Engine.Update). If the new index stores fields that it does not search, ignoredFieldCount is their number
// (see reindex.Report). The field phase is pending, open, begin, load, seal or commit while the job is in progress; a
// failed job has the phase in which it failed. The field durations has the milliseconds of the phases that have ended.
// A job with rag has the field rag with the value true; otherwise the field is missing.
//
// A path is split into segments before they are decoded, as RFC 3986 says: /indexing/%61cme/reindex is for the tenant
// acme. An encoded slash would be a part of the tenant, and is refused. Paths are neither cleaned nor redirected.
//
// # Following a job
//
// A stream begins with an event that has the current job. More events follow as the job changes. When the job has
// ended, the stream sends a last event and ends. The data of an event is the job as GET shows it, with its progress
// from 0 to 1 and its remainingSeconds if they are known. Changes that come faster than Config.StreamInterval, or
// faster than the client reads, become one event, so that a slow client gets the latest state and costs no memory. The
// id of an event identifies the state. A client that comes back with Last-Event-ID does not get the same state again.
// If the job has ended and the client knows its end, the answer is 204, which makes an EventSource stop. Comments keep
// an idle stream alive.
//
// A stream has a deadline for each write, instead of the server's timeouts. Middleware must have an Unwrap method for
// this to work, as the documentation of http.ResponseController requires. If nothing can be sent before the handler
// returns, as in an http.TimeoutHandler, each client gets the state once and comes back for the next one; the log has
// an error for each such request. The request is authorized once, when the stream begins. If the engine fails during a
// stream, the stream ends before the job does, and the client comes back. The state of a job that another process runs
// is read once a second.
//
// If Config.MaxStreams streams are open, the answer to a request for one more is 400 with the message
// [MessageTooManyStreams] and the header Retry-After, since the contract has no better status. The job can be looked up
// at any time. A tenant that has fewer streams than another one is not refused. The latest stream of the other tenant
// ends instead, and its client comes back as if the connection had broken.
//
// # Rejected products
//
// A job lists the first reindex.Config.ReportItems products that it rejected, in the order in which they became known,
// also while it is in progress. The header X-Total-Count is the number of listed products. The header X-Rejected-Count
// of every page is the number of all rejected products. The reason is that of the check, the transform or the index.
// The place of a product in its source is not shown if it is an absolute path or a URL, since these are internals of
// the service.
//
// # Changes of single products
//
// With Config.Changes a caller can change single products of the live index, also while a job is in progress. PUT
// /indexing/{tenant}/products/{id} puts one product, which is the body, and DELETE deletes one. POST
// /indexing/{tenant}/changes makes many changes, one JSON object per line: {"id":"a","body":{…}} puts the product,
// {"id":"a","delete":true} deletes it, and {"id":"a"} reads it from the source. Changes of one product take effect in
// the order of the lines. If a line is not a change, no change of the request is applied, and the answer names the
// line.
//
// The answer has the number of accepted changes. These are in the live index or on their way there, and also reach the
// index that a job in progress builds. The answer lists the first refused changes, with reasons; a PUT or a DELETE that
// is refused is answered with 400. With settle=true the answer waits until searches see the changes, and then has the
// field applied. After an error, some changes may have been accepted unless the error says otherwise. The same changes
// can be sent again.
//
// Ids are percent-encoded segments of a path: a%2Fb is the product a/b. Products with the ids . and .. can be changed
// only by POST, since clients and muxes resolve these segments themselves.
//
// GET /indexing/{tenant}/changes shows the number of accepted changes that are not in the live index yet, the time of
// the oldest one, and the last changes that the index has refused.
//
// # Throttling
//
// With Config.Throttle a caller can show and set the limits on reading a tenant's products. PUT
// /indexing/{tenant}/throttle replaces all limits, as in
//
//	{"documentsPerSecond":2000,"bytesPerSecond":0,"paused":false,
//	 "window":{"from":"22:00","to":"06:00","timeZone":"Europe/Berlin"}}
//
// The limits take effect at once, also for the run in progress. A limit that is 0 or missing does not limit. Reading
// stops while paused is true.
//
// # Rollbacks
//
// With Config.Rollbacks, GET /indexing/{tenant}/generations lists the live index and the kept ones that were live
// before. POST /indexing/{tenant}/rollback starts a job that makes a kept index live again: the one in the field
// generation, or by default the one that was replaced last. The answer is 409 if that index is not kept, or none is.
//
// # Schedule
//
// With Config.Schedule, GET /indexing/{tenant}/schedule shows the times at which a tenant is reindexed. The answer has
// an object per entry of the schedule: the cron expression and its time zone, the next time, the last time with the job
// that it started, and the number of missed times.
//
// # Selecting and sorting jobs
//
// The parameter q of a list has conditions, separated by white space. A job is listed if it meets all of them:
//
//	status:FAILURE                      equals the value; texts match exactly
//	message:"the disk is full"          values with white space or any of "(),: are in double quotes, where \" is a
//	                                    quote and \\ a backslash
//	status:(PENDING,IN_PROGRESS)        equals one of the values
//	processedCount:>=1000               also >, < and <=; numbers and dates only
//	processedCount:(>=10 AND <20)       meets two comparisons
//	metadata.createdAt:>"2026-01-02T15:04:05+01:00"
//	                                    dates are in double quotes, in RFC 3339 with any offset
//	message:~(?i)timeout                matches the regular expression; texts only. It ends at the first white space
//	                                    outside of its own parentheses and brackets, as in message:~(connection refused)
//	message:(~connection refused)       the same; it ends at the closing parenthesis. Or it is in double quotes after ~
//	message:exists                      the field exists
//	expectedCount:missing               the field is missing; null means the same, as jobs have no nulls
//
// Conditions apply to jobs as they are shown: a message is missing unless the job failed, and dates have milliseconds;
// further digits in a q are cut off. A job without the field meets missing and null, and no other condition. In double
// quotes, null, missing, exists and texts that begin with an operator are plain texts. A value that the field cannot
// have, such as processedCount:abc or status:DONE, is refused.
//
// Regular expressions are those of package regexp (RE2). They match anywhere in a text unless ^ and $ fix the place.
// One expression has at most 128 characters, a q has at most 4096 characters, and all expressions of a q have at most
// 200 compiled instructions. These limits bound the time per job. A list is cancelled when its caller has gone or
// Config.EngineTimeout is over.
//
// The parameter sort has fields, separated by commas, the most important one first, each given once. field and
// field:asc sort in ascending order, and field:desc in descending order; the case of asc and desc does not matter.
// Texts sort by their bytes. A missing field comes before all values, or after them in descending order. Jobs that are
// equal come newest first. An empty q or sort has no effect.
//
// An error in q or sort states its place, as in "At character 8: …", counted from 1.
//
// # Mounting
//
// [Mount] puts the routes on an http.ServeMux, on chi's routers, and, through [MuxFunc], on gorilla/mux's. gin, echo
// and fiber get [NewHandler]'s handler for all paths under /indexing. Under a prefix, use http.StripPrefix, a router
// that adds the prefix, or Config.Prefix. The document at /indexing/openapi.json says where the endpoints are: under
// the prefix with which it was requested, or at Config.ServerURL. Its token URL, to which clients send their secrets,
// is Config.TokenURL, or by default on the same server.
//
// # Settings of the host
//
// A server that shuts down waits for streams, which last as long as their jobs, unless [Config].Stopping ends them.
// [StopOnShutdown] returns such a channel for a server.
//
// net/http refuses some requests in plain text before it calls any handler: a request that is not HTTP (400), an
// expectation other than 100-continue (417), headers beyond http.Server.MaxHeaderBytes (431), an unknown transfer
// encoding (501), and another protocol version (505). A connection whose headers do not arrive within
// http.Server.ReadHeaderTimeout is closed without an answer. Over HTTP/1.0, which has no transfer encodings, net/http
// ignores one: the request then has no body.
//
// A host must set MaxHeaderBytes and ReadHeaderTimeout, and serve TLS. The time for a body is [Config].ReadTimeout.
// SECURITY.md lists all duties of a host.
package httpapi
