// Package csv reads a tenant's products from CSV files, which can be compressed with gzip or zstd. A product is one
// record or several.
//
//	src, err := csv.New("/var/catalogues", &csv.Config{
//		IDColumn: "sku", Comma: ';', Types: map[string]csv.Type{"price": csv.Number},
//	})
//	engine, err := reindex.New(src, index, nil)
//
// # Which files
//
// A [Source] reads the files of one folder and nothing outside of it, even through symbolic links, unless
// Config.FollowLinks allows it. Unless Config.Files lists other files, a tenant's products are in either
//
//   - one file, named after the tenant: acme.csv or acme.tsv, optionally followed by .gz or .zst; or
//   - a folder, named after the tenant, of files with such endings, read in the order of their names. Names that begin
//     with a dot or an underscore are skipped. Anything else in it is an error.
//
// More than one candidate for a tenant is an error and never a silent choice. The first bytes of a file, not its name,
// show how it is compressed. The ending does not determine the separator: Config.Comma does, or a first line such as
// "sep=;".
//
// # What is in them
//
// Records follow RFC 4180; Config has settings for other dialects. Lines end with LF or CRLF, or with CR alone if the
// first line of the file does. Blank lines are skipped. A CRLF inside a quoted cell becomes LF. The first record of
// each file is the header, unless Config.Header names the columns; each column becomes a member of the product's JSON
// object. Cells are strings unless Config.Types says otherwise. With Config.Arrays, consecutive records with the same
// id are one product. A byte order mark, of UTF-8 or UTF-16, takes precedence over Config.Encoding.
//
// # What is rejected, and what ends a read
//
// A record cannot be read if it has more or fewer cells than the header, no id, a cell that is not of its type, text
// that is not in the encoding, or misplaced quotes, or if it is a line without quotes that is too long. Such a record
// is a [*reindex.RecordError] with its place. The following records are read, since a quoted cell that is not closed
// properly ends on its own line. If one of several records of a product cannot be read, the whole product is rejected.
//
// Other faults end the sequence with an error that names the file, and the line if there is one ([*LineError]): a quote
// that is never closed, a record with quotes that is larger than Config.MaxRecordBytes, a damaged or truncated gzip or
// zstd stream, other data after its end, text that ends in the middle of a character, and a file that changes between
// Open and the end of the read. A plain file that was cut off between two characters of its last cell looks complete; a
// compressed file does not.
package csv
