package csv

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"

	"productindex/source/internal/files"
)

// Type is the type of the values in a column.
type Type int

const (
	// Text is a JSON string. It is the type of columns that Config.Types does not name.
	Text Type = iota
	// Number is a JSON number with all its digits, such as 19.90 or -1e3. An empty cell is null.
	Number
	// Bool is true or false: true, t or 1, and false, f or 0, in lower or upper case. An empty cell is null.
	Bool
	// JSON is any JSON value, embedded as it is. An empty cell is null.
	JSON
)

const (
	defaultIDColumn       = "id"
	defaultIDSeparator    = ":"
	defaultMaxRecordBytes = 16 << 20
)

// Config configures a [Source]. The zero value and nil mean the defaults. New and NewFS copy it.
type Config struct {
	// IDColumn is the column that holds the product's id. Default "id".
	IDColumn string
	// IDColumns, if it is set, replaces IDColumn: the id consists of the cells of these columns with IDSeparator between
	// them. A cell that contains the separator is an error, so that two ids never become the same. Some of the cells may
	// be empty.
	IDColumns []string
	// IDSeparator separates the parts of an id of several columns. Default ":".
	IDSeparator string

	// SkipRows is the number of records to skip at the start of each file, such as a title above the header.
	SkipRows int
	// Header names the columns of files that have no header. Default: the first record of each file names them.
	Header []string
	// Rename maps names of columns, in the file or in Header, to new names. All other settings use the new names. A column
	// that is renamed to "" is left out. A column that a file does not have is an error.
	Rename map[string]string
	// DropUnnamed leaves out columns without a name. Otherwise a cell in such a column is an error, unless it is empty.
	DropUnnamed bool
	// Arrays, if it is set, combines consecutive records with the same id, such as the variants of a product, into one
	// product. Each record adds one object to each array, unless its cells for that array are all empty. In all other
	// columns the records that have a value must agree; otherwise the product cannot be read.
	Arrays []Array

	// Types holds the types of columns by their names. Other columns are Text. A column that a file does not have is an
	// error.
	Types map[string]Type
	// NullWords are cells that become null, such as "NULL" or "N/A", whether they are quoted or not. The empty string can
	// be one.
	NullWords []string
	// DecimalComma means that numbers have a decimal comma. A number with a point is then an error.
	DecimalComma bool

	// Comma separates the cells, such as ';' or '\t'. Default ','. A first line such as "sep=;" takes precedence.
	Comma rune
	// Comment, if it is set, begins lines that are skipped.
	Comment rune
	// LazyQuotes allows quotes inside an unquoted cell. It also allows quotes that are not doubled inside a quoted cell
	// that ends on the line on which it begins. If the cell does not end there, its quotes are text, as in:
	//
	//	"Deluxe" sock
	LazyQuotes bool
	// NoQuotes means that quotes have no special meaning.
	NoQuotes bool
	// TrimLeadingSpace removes white space before a cell.
	TrimLeadingSpace bool
	// Encoding is the encoding of the text, such as charmap.Windows1252 of golang.org/x/text. Default UTF-8.
	Encoding encoding.Encoding

	// MaxRecordBytes is the size of the largest record, in bytes of UTF-8, and of the largest product of several records.
	// It also limits the text after a quote that is not closed. Default 16 MiB.
	MaxRecordBytes int64

	// Files, if it is not nil, lists each tenant's files, in the order in which they are read. It replaces the conventions
	// that the package documentation states; other tenants are then unknown. Paths are relative to the source's folder,
	// with slashes.
	Files map[string][]string
	// FollowLinks lets symbolic links lead out of the folder that New is given. Anyone who can write to the folder can
	// then choose the files of the machine that are read.
	FollowLinks bool
}

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	if out.IDColumn == "" {
		out.IDColumn = defaultIDColumn
	}
	if out.IDSeparator == "" {
		out.IDSeparator = defaultIDSeparator
	}
	if out.Comma == 0 {
		out.Comma = ','
	}
	if out.MaxRecordBytes == 0 {
		out.MaxRecordBytes = defaultMaxRecordBytes
	}
	out.Header = slices.Clone(out.Header)
	out.IDColumns = slices.Clone(out.IDColumns)
	out.NullWords = slices.Clone(out.NullWords)
	out.Types, out.Rename = maps.Clone(out.Types), maps.Clone(out.Rename)
	out.Arrays = slices.Clone(out.Arrays)
	for i := range out.Arrays {
		out.Arrays[i].Columns = slices.Clone(out.Arrays[i].Columns)
	}
	return out
}

// options returns the options of the files. The defaults must be set.
func (c *Config) options() files.Options {
	return files.Options{
		Name:        "csv",
		Endings:     []string{".csv", ".tsv"},
		Files:       c.Files,
		FollowLinks: c.FollowLinks,
		Format:      &format{*c},
		Faults:      c.faults(),
	}
}

// idColumns returns the columns of the id.
func (c *Config) idColumns() []string {
	if len(c.IDColumns) > 0 {
		return c.IDColumns
	}
	return []string{c.IDColumn}
}

// faults returns an error for each setting that is not valid, except for Files. The defaults must be set.
func (c *Config) faults() []error {
	errs := []error{c.checkDialect(), c.checkArrays(), c.checkNames()}
	if c.MaxRecordBytes < 1 {
		errs = append(errs, fmt.Errorf("MaxRecordBytes is %d; it must be positive", c.MaxRecordBytes))
	}
	if c.SkipRows < 0 {
		errs = append(errs, fmt.Errorf("SkipRows is %d; it must not be negative", c.SkipRows))
	}
	for _, column := range slices.Sorted(maps.Keys(c.Types)) {
		if t := c.Types[column]; t < Text || t > JSON {
			errs = append(errs, fmt.Errorf("the type of column %q is %d, which is not a type", column, t))
		}
	}
	if c.Header != nil {
		if _, err := c.columns(c.Header, false); err != nil {
			errs = append(errs, fmt.Errorf("Header: %w", err)) //nolint:staticcheck // the name of a field
		}
	}
	return errs
}

// checkDialect checks the characters that separate cells and begin comments.
func (c *Config) checkDialect() error {
	var errs []error
	if err := checkMark(c.Comma); err != nil {
		errs = append(errs, fmt.Errorf("Comma: %w", err)) //nolint:staticcheck // the name of a field
	}
	if err := checkMark(c.Comment); err != nil {
		errs = append(errs, fmt.Errorf("Comment: %w", err)) //nolint:staticcheck // the name of a field
	}
	if c.Comma == c.Comment {
		errs = append(errs, fmt.Errorf("Comma and Comment are both %q", c.Comma)) //nolint:staticcheck // names of fields
	}
	if c.LazyQuotes && c.NoQuotes {
		errs = append(errs, errors.New("LazyQuotes and NoQuotes exclude each other"))
	}
	return errors.Join(errs...)
}

// checkMark returns an error if a character has another meaning in CSV.
func checkMark(r rune) error {
	if r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError || !utf8.ValidRune(r) {
		return fmt.Errorf("%q has another meaning in CSV", r)
	}
	return nil
}

// checkNames returns an error if an id has a column twice, or two columns get the same name.
func (c *Config) checkNames() error {
	var errs []error
	for i, column := range c.IDColumns {
		if slices.Contains(c.IDColumns[:i], column) {
			errs = append(errs, fmt.Errorf("IDColumns has the column %q twice", column))
		}
	}
	renamed := map[string]string{}
	for _, column := range slices.Sorted(maps.Keys(c.Rename)) {
		name := c.Rename[column]
		if other, ok := renamed[name]; ok && name != "" {
			errs = append(errs, fmt.Errorf("columns %q and %q have the same name %q in Rename", other, column, name))
		}
		renamed[name] = column
	}
	return errors.Join(errs...)
}

// checkArrays checks the arrays, as far as that does not depend on a file.
func (c *Config) checkArrays() error {
	var errs []error
	names := map[string]bool{}
	for _, a := range c.Arrays {
		if a.Name == "" || len(a.Columns) == 0 || slices.Contains(a.Columns, "") {
			errs = append(errs, fmt.Errorf("array %q must have a name, and at least one column, each with a name", a.Name))
		}
		if names[a.Name] {
			errs = append(errs, fmt.Errorf("two arrays have the name %q", a.Name))
		}
		names[a.Name] = true
	}
	return errors.Join(errs...)
}
