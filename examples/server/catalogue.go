package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"productindex/reindex"
	"productindex/source/csv"
	"productindex/source/jsonl"
	"productindex/source/sqlsource"
)

// catalogue configures the source of the products, which is a folder or a database.
type catalogue struct {
	// Folder has the files of the tenants: TENANT.jsonl, also with .gz or .zst, or a folder TENANT of such files.
	// Format chooses another extension.
	Folder string `env:"PRODUCTINDEX_CATALOGUES"`
	// Format is the format of the files: jsonl, or csv for .csv and .tsv.
	Format string `env:"PRODUCTINDEX_FORMAT" envDefault:"jsonl"`

	// Database is the database of the products: postgres://user:password@host/database,
	// mysql://user:password@host/database (also for MariaDB) or sqlite:shop.db, which is only read. Either Folder or
	// Database is set.
	Database string `env:"PRODUCTINDEX_DATABASE,unset"`
	// Query selects the products of a tenant, one per row. The tenant is its parameter: SELECT * FROM products WHERE
	// tenant = $1, with ? in place of $1 in MySQL. For a single tenant: SELECT * FROM products WHERE $1 = 'acme'.
	Query string `env:"PRODUCTINDEX_QUERY"`
	// Tenants is a query with the same parameter that returns a row if the tenant exists. Without it, a tenant without
	// products is unknown.
	Tenants string `env:"PRODUCTINDEX_QUERY_TENANTS"`
	// Body is the column with the whole product as JSON, if there is one.
	Body string `env:"PRODUCTINDEX_QUERY_BODY"`
	// Key is the column to page by, which must be unique. Default: the column of the id.
	Key string `env:"PRODUCTINDEX_QUERY_KEY"`

	// ID is the member of jsonl, or the column, with a product's id. For csv it may have several columns, such as
	// "sku,size". Default: id.
	ID string `env:"PRODUCTINDEX_ID"`
	// Types are the types of columns, such as "price:number,attributes:json". For csv, whose cells are texts by
	// default, they are number, bool and json. For a database without such types, they are bool and json.
	Types map[string]string `env:"PRODUCTINDEX_TYPES"`

	// CSV is the dialect of csv files.
	CSV dialect `envPrefix:"PRODUCTINDEX_CSV_"`
}

// dialect is a dialect of csv.
type dialect struct {
	// Comma separates the cells: one character, or tab.
	Comma string `env:"COMMA" envDefault:","`
	// DecimalComma means that numbers have a comma instead of the decimal point.
	DecimalComma bool `env:"DECIMAL_COMMA"`
	// Encoding is the encoding of the text, such as windows-1252 or utf-16le.
	Encoding string `env:"ENCODING" envDefault:"utf-8"`
	// Quotes is strict, lazy if quotes may also be plain characters within cells, or none if they always are.
	Quotes string `env:"QUOTES" envDefault:"strict"`
	// NullWords are the cells that mean a missing value, such as NULL.
	NullWords []string `env:"NULL_WORDS"`
	// SkipRows is the number of rows above the header.
	SkipRows int `env:"SKIP_ROWS"`
}

// open opens the source of the products.
func (c catalogue) open(ctx context.Context) (src reindex.Source, stop func() error, err error) {
	nothing := func() error { return nil }
	switch {
	case c.Folder != "" && c.Database != "":
		return nil, nil, errors.New(
			"PRODUCTINDEX_CATALOGUES and PRODUCTINDEX_DATABASE are both set; set only one of them",
		)
	case c.Database != "":
		return c.openSQL(ctx)
	case c.Folder == "":
		return nil, nil, errors.New(
			"set PRODUCTINDEX_CATALOGUES to a folder of products, or PRODUCTINDEX_DATABASE and PRODUCTINDEX_QUERY",
		)
	case c.Format == "csv":
		src, err = c.openCSV()
	case c.Format != "jsonl":
		return nil, nil, fmt.Errorf("PRODUCTINDEX_FORMAT is %q; this server reads jsonl and csv", c.Format)
	case len(c.Types) > 0:
		return nil, nil, errors.New(
			"PRODUCTINDEX_TYPES is only for csv and databases, since the values of jsonl have types; do not set it",
		)
	default:
		src, err = jsonl.New(c.Folder, &jsonl.Config{IDField: c.ID})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("PRODUCTINDEX_CATALOGUES is %s: %w", c.Folder, err)
	}
	return src, nothing, nil
}

func (c catalogue) openCSV() (reindex.Source, error) {
	cfg := csv.Config{
		Types: map[string]csv.Type{}, DecimalComma: c.CSV.DecimalComma, NullWords: c.CSV.NullWords, SkipRows: c.CSV.SkipRows,
	}
	if c.ID != "" {
		cfg.IDColumns = strings.Split(c.ID, ",")
	}
	for column, name := range c.Types {
		typ, ok := map[string]csv.Type{
			"text": csv.Text, "number": csv.Number, "bool": csv.Bool, "json": csv.JSON,
		}[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("PRODUCTINDEX_TYPES: column %q has the type %q; csv has text, number, bool and json",
				column, name)
		}
		cfg.Types[strings.TrimSpace(column)] = typ
	}
	switch comma, size := utf8.DecodeRuneInString(c.CSV.Comma); {
	case c.CSV.Comma == "tab":
		cfg.Comma = '\t'
	case size == len(c.CSV.Comma):
		cfg.Comma = comma
	default:
		return nil, fmt.Errorf("PRODUCTINDEX_CSV_COMMA is %q; it must be one character, or tab", c.CSV.Comma)
	}
	switch c.CSV.Quotes {
	case "strict":
	case "lazy":
		cfg.LazyQuotes = true
	case "none":
		cfg.NoQuotes = true
	default:
		return nil, fmt.Errorf("PRODUCTINDEX_CSV_QUOTES is %q; it must be strict, lazy or none", c.CSV.Quotes)
	}
	if !strings.EqualFold(c.CSV.Encoding, "utf-8") {
		encoding, err := htmlindex.Get(c.CSV.Encoding)
		if err != nil {
			return nil, fmt.Errorf("PRODUCTINDEX_CSV_ENCODING is %q, which is not an encoding of the WHATWG standard",
				c.CSV.Encoding)
		}
		cfg.Encoding = encoding
	}
	return csv.New(c.Folder, &cfg)
}

func (c catalogue) openSQL(ctx context.Context) (src reindex.Source, stop func() error, err error) {
	types := map[string]sqlsource.Type{}
	for column, name := range c.Types {
		typ, ok := map[string]sqlsource.Type{"bool": sqlsource.Boolean, "json": sqlsource.JSON}[strings.TrimSpace(name)]
		if !ok {
			return nil, nil, fmt.Errorf("PRODUCTINDEX_TYPES: column %q has the type %q; a database has bool and json",
				column, name)
		}
		types[strings.TrimSpace(column)] = typ
	}
	if c.Query == "" {
		return nil, nil, errors.New(
			"PRODUCTINDEX_DATABASE needs PRODUCTINDEX_QUERY, such as SELECT id, name FROM products WHERE tenant = $1",
		)
	}
	db, kind, err := openDatabase("PRODUCTINDEX_DATABASE", "sqlite:PATH, postgres://… or mysql://…", c.Database, readOnly)
	if err != nil {
		return nil, nil, err
	}
	attempt, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := db.PingContext(attempt); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("PRODUCTINDEX_DATABASE: connecting: %w", err), db.Close())
	}
	dialects := map[databaseKind]sqlsource.Dialect{
		postgresKind: sqlsource.PostgreSQL, mysqlKind: sqlsource.MySQL, sqliteKind: sqlsource.SQLite,
	}
	src, err = sqlsource.New(db, sqlsource.Config{
		Dialect: dialects[kind], Query: c.Query, Tenants: c.Tenants, ID: c.ID, Key: c.Key, Body: c.Body, Types: types,
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("PRODUCTINDEX_QUERY: %w", err), db.Close())
	}
	return src, db.Close, nil
}
