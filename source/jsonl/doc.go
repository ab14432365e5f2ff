// Package jsonl reads a tenant's products from JSON files, which can be compressed with gzip or zstd. A file holds one
// JSON object per line, an array of objects, or objects that span lines.
//
//	src, err := jsonl.New("/var/catalogues", nil) // acme.jsonl.gz, …
//	engine, err := reindex.New(src, index, nil)
//
// # Which files
//
// A [Source] reads the files of one folder and nothing outside of it, even through symbolic links, unless
// Config.FollowLinks allows it. Unless Config.Files lists other files, a tenant's products are in either
//
//   - one file, named after the tenant: acme.jsonl, acme.ndjson or acme.json, optionally followed by .gz or .zst; or
//   - a folder, named after the tenant, of files with such endings, read in the order of their names:
//     acme/part-01.jsonl.gz, … Names that begin with a dot or an underscore are skipped. Any other file in it is an
//     error: a part that is not read because of its ending would be missing from the index.
//
// Names are compared byte by byte, on every file system. More than one candidate for a tenant, such as acme.jsonl
// beside acme.jsonl.gz, is an error and never a silent choice. The first bytes of a file, not its name, show how it is
// compressed.
//
// # What is in them
//
// A file that begins with an array, or with an object whose first line is its brace alone, holds values that span
// lines: any number of objects, and arrays of objects. Any other file holds lines. Lines end with LF or CRLF; the last
// one need not have an end. Blank lines are skipped, and so is a UTF-8 byte order mark at the start of a line. The
// bytes of a line or value, without the white space around them, become the product's body as they are. The id is the
// value of the object's member Config.IDField: a string, or the digits of an integer. If several members have that
// name, the first one counts.
//
// The source parses a product only up to its id. The engine checks in parallel whether the rest is valid JSON, and
// rejects a bad product by its id. The snapshot's [reindex.Locator] finds its place.
//
// # What is rejected, and what ends a read
//
// A line or a value that has no id, or is longer than Config.MaxLineBytes, is a record that cannot be read: a
// [*reindex.RecordError] with its place. The following records are read.
//
// Other faults end the sequence with a [*LineError], which names the file and the line: a damaged or truncated gzip or
// zstd stream, other data after its end, a last line that ends in the middle of an object, and, in a file of values,
// brackets or strings that are not closed. The sequence also ends with an error if a file changes between Open and the
// end of the read. To replace a catalogue while runs go on, write a new file beside it and rename it into place.
package jsonl
