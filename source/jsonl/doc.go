// Package jsonl reads a tenant's products from JSON-lines files: one JSON object a line, plain, gzip or zstd.
//
// # Which files
//
// A [Source] is rooted in one folder and reads nothing outside of it, wherever symbolic links lead. Unless Config.Files says
// otherwise, a tenant's products are in either of
//
//   - one file, named after the tenant: acme.jsonl or acme.ndjson, each also with .gz or .zst behind it;
//   - a folder, named after the tenant, of files with such endings, read in the order of their names: acme/part-01.jsonl.gz, …
//     Names that begin with a dot or an underscore are skipped. Anything else in it is an error: a part that nobody reads, for its
//     ending, would be missing from the index.
//
// Names are compared byte by byte, on every file system. More than one candidate for a tenant, such as acme.jsonl beside
// acme.jsonl.gz, is an error and never a silent choice. How a file is compressed is told by its first bytes, not by its name.
//
// # What is in them
//
// Lines end with LF or CRLF; the last one need not end at all. Blank lines are skipped, and so is a UTF-8 byte order mark at the
// start of a file. A line's bytes become the product's body as they are, without white space around them. The id is the value of
// the object's member Config.IDField: a string, or an integer, which is taken as it is spelled. Of several members of that name the
// first one counts. Members of nested objects do not count.
//
// The source looks at a line only as far as the id. Whether the rest is valid JSON is checked by the engine, in parallel, which
// rejects a bad product by its id; the snapshot's [reindex.Locator] finds its place. A line without an id is a [*reindex.RecordError].
//
// # What ends a read
//
// A line longer than Config.MaxLineBytes, a damaged or truncated gzip or zstd stream, a last line that is cut off: the sequence ends
// with a [*LineError], which names file and line. A file that changes between Open and the end of the read ends it, too; to replace a
// catalogue while runs go on, write a new file beside it and rename it into place.
package jsonl
