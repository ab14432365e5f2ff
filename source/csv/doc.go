// Package csv reads a tenant's products from CSV files: one product per record, or several records per product; plain,
// gzip or zstd.
//
//	src, err := csv.New("/var/catalogues", &csv.Config{
//		IDColumn: "sku", Comma: ';', Types: map[string]csv.Type{"price": csv.Number},
//	})
//	engine, err := reindex.New(src, index, nil)
//
// # Which files
//
// A [Source] is rooted in one folder and reads nothing outside of it, wherever symbolic links lead, unless
// Config.FollowLinks allows it. Unless Config.Files says otherwise, a tenant's products are in either of
//
//   - one file, named after the tenant: acme.csv or acme.tsv, each also with .gz or .zst behind it;
//   - a folder, named after the tenant, of files with such endings, read in the order of their names. Names that begin
//     with a dot or an underscore are skipped. Anything else in it is an error.
//
// More than one candidate for a tenant is an error and never a silent choice. The first bytes of a file, not its name,
// show how it is compressed. The ending says nothing about the separator: Config.Comma does, or a first line such as
// "sep=;".
//
// # What is in them
//
// Records are those of RFC 4180, with the settings of Config for the dialects around it. Lines end with LF or CRLF, or
// with CR alone if the first one of the file does; blank lines are skipped. A CRLF inside of a quoted cell becomes LF.
// The first record of each file is the header, unless Config.Header names the columns; each column becomes a member of
// the product's JSON object. Cells are strings unless Config.Types says otherwise. With Config.Arrays the records of
// one id that follow each other are one product. A byte order mark, of UTF-8 or UTF-16, takes precedence over
// Config.Encoding.
//
// # What is rejected, and what ends a read
//
// A record with more or fewer cells than the header, without an id, with a cell that is not of its type, with text that
// is not of the encoding, or with misplaced quotes, and a line without quotes that is too long cannot be read: each is
// a [*reindex.RecordError] with its place. The records behind it are read, because a quoted cell that is not closed
// properly ends on its own line. If it is one of several records of a product, the product cannot be read.
//
// A quote that is never closed, a record with quotes that is larger than Config.MaxRecordBytes, a damaged or cut off
// gzip or zstd stream, something else behind its end, a text that ends in the middle of a character, a file that
// changes between Open and the end of the read: the sequence ends with an error that names the file, and the line if
// there is one ([*LineError]). A plain file that is cut off between two characters of its last cell looks like a whole
// one; a compressed file does not.
package csv
