// Package csv reads a tenant's products from CSV files: one product a record, plain, gzip or zstd.
//
// # Which files
//
// A [Source] is rooted in one folder and reads nothing outside of it, wherever symbolic links lead. Unless Config.Files says otherwise, a
// tenant's products are in either of
//
//   - one file, named after the tenant: acme.csv or acme.tsv, each also with .gz or .zst behind it;
//   - a folder, named after the tenant, of files with such endings, read in the order of their names. Names that begin with a dot or
//     an underscore are skipped. Anything else in it is an error.
//
// More than one candidate for a tenant is an error and never a silent choice. How a file is compressed is told by its first bytes. The
// ending says nothing about the separator: Config.Comma does.
//
// # What is in them
//
// Records are those of encoding/csv: RFC 4180, with the settings of Config for the dialects around it. The first one of each file is the
// header, unless Config.Header names the columns; each column becomes a member of the product's JSON object. Cells are strings unless
// Config.Types says otherwise. A byte order mark, of UTF-8 or UTF-16, wins over Config.Encoding.
//
// # What is rejected, and what ends a read
//
// A record with more or fewer cells than the header, without an id, or with a cell that is not of its type is one that cannot be read: a
// [*reindex.RecordError] with its place. The records behind it are read.
//
// A quote that is not closed, a record larger than Config.MaxRecordBytes, a damaged or cut off gzip or zstd stream, a file that changes
// between Open and the end of the read: the sequence ends with an error that names the file, and the line if there is one
// ([*LineError]). A plain file that is cut off inside its last cell cannot be distinguished from a whole one; a compressed one can.
package csv
