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

// Type is what the cells of a column stand for.
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
	defaultMaxRecordBytes = 16 << 20
)

// Config adjusts a [Source]. The zero value, and nil in its place, means the defaults. New and NewFS copy it.
type Config struct {
	// IDColumn is the column that holds the product's id. Default "id".
	IDColumn string
	// Header names the columns of files that have no header. Default: the first record of each file does.
	Header []string
	// Types are the types of columns by their names. A column that a file does not have is an error.
	Types map[string]Type
	// DecimalComma: numbers have a comma in place of the decimal point. One that has a point is an error.
	DecimalComma bool

	// Comma separates the cells. Default ','; other dialects have ';' or '\t'.
	Comma rune
	// Comment, where it is set, begins lines that are skipped.
	Comment rune
	// LazyQuotes lets a quote stand inside of a cell that has none around it, and a single one inside of a cell that has.
	LazyQuotes bool
	// TrimLeadingSpace removes white space before a cell.
	TrimLeadingSpace bool
	// Encoding is that of the text, such as charmap.Windows1252 of golang.org/x/text. Default UTF-8.
	Encoding encoding.Encoding

	// MaxRecordBytes is the size of the largest record, in bytes of UTF-8. It bounds what a quote that is not closed takes in.
	// It is checked as a buffer is filled, 4 KiB at a time. Default 16 MiB.
	MaxRecordBytes int64

	// Files, where it is not nil, lists each tenant's files, in the order in which they are read, in place of the conventions that the
	// package's documentation states; other tenants are then unknown. Paths are relative to the source's folder, with slashes.
	Files map[string][]string
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
	if out.Comma == 0 {
		out.Comma = ','
	}
	if out.MaxRecordBytes == 0 {
		out.MaxRecordBytes = defaultMaxRecordBytes
	}
	out.Header, out.Types = slices.Clone(out.Header), maps.Clone(out.Types)
	out.Files = maps.Clone(out.Files)
	for tenant, names := range out.Files {
		out.Files[tenant] = slices.Clone(names)
	}
	return out
}

// validate reports every setting of a config with defaults that makes no sense.
func (c *Config) validate() error {
	errs := []error{files.CheckFiles(c.Files)}
	if c.MaxRecordBytes < 1 {
		errs = append(errs, fmt.Errorf("MaxRecordBytes is %d, it must be positive", c.MaxRecordBytes))
	}
	for name, r := range map[string]rune{"Comma": c.Comma, "Comment": c.Comment} {
		if r == '"' || r == '\r' || r == '\n' || r == utf8.RuneError || !utf8.ValidRune(r) {
			errs = append(errs, fmt.Errorf("%s can not be %q", name, r))
		}
	}
	if c.Comma == c.Comment {
		errs = append(errs, errors.New("Comma and Comment are the same")) //nolint:staticcheck // names of fields
	}
	for column, t := range c.Types {
		if t < Text || t > JSON {
			errs = append(errs, fmt.Errorf("the type of column %q is %d, which is none", column, t))
		}
	}
	if c.Header != nil {
		if _, err := c.layOut(c.Header); err != nil {
			errs = append(errs, fmt.Errorf("Header: %w", err)) //nolint:staticcheck // the name of a field
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("csv: invalid config: %w", err)
	}
	return nil
}
