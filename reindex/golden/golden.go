// Package golden builds a [reindex.Check] from queries and the products that they must find, so that an index with
// worse answers does not go live. The queries are written as JSON, one file per tenant:
//
//	{"queries": [
//		{"query": "red socks", "atLeast": 12},
//		{"query": "sony wh1000", "products": ["4711"], "top": 3, "within": "150ms"}
//	]}
//
// A query that fails keeps the old index live. The function Golden of each backend uses the search of its index:
//
//	config.Checks = append(config.Checks, bleveindex.Golden(golden.Dir(os.DirFS("queries"))))
package golden

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"productindex/reindex"
)

// Query is a query with its expected result.
type Query struct {
	// Query is the text that a shopper types.
	Query string
	// AtLeast is the smallest number of products that the query must find.
	AtLeast int64
	// Products are the ids of products that must be among the first Top results. Top is 10 by default, and 1,000 at most.
	Products []string
	Top      int
	// Within is the longest time that the fastest of three tries may take; 0: any time.
	Within time.Duration
}

// Found is the result of a query.
type Found struct {
	// Total is the number of products that match.
	Total int64
	// IDs are the ids of the best matches, the best one first.
	IDs []string
}

// Search runs a query on a candidate, and returns up to top products.
type Search func(ctx context.Context, candidate reindex.Candidate, query string, top int) (Found, error)

// Load returns the queries of a tenant. A tenant without queries passes.
type Load func(tenant string) ([]Query, error)

const (
	defaultTop = 10
	maxTop     = 1000
	tries      = 3
)

// file is the JSON format.
type file struct {
	Queries []entry `json:"queries"`
}

type entry struct {
	Query    string   `json:"query"`
	AtLeast  int64    `json:"atLeast"`
	Products []string `json:"products"`
	Top      int      `json:"top"`
	Within   string   `json:"within"`
}

// Parse reads queries. It refuses unknown fields, since a misspelled expectation would otherwise always hold.
func Parse(data []byte) ([]Query, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var f file
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("golden: the queries are not JSON of the expected form: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("golden: the file goes on after the queries")
	}
	var queries []Query
	for i, e := range f.Queries {
		q, err := e.query()
		if err != nil {
			return nil, fmt.Errorf("golden: query %d, %q: %w", i+1, e.Query, err)
		}
		queries = append(queries, q)
	}
	return queries, nil
}

func (e entry) query() (q Query, err error) {
	q = Query{Query: e.Query, AtLeast: e.AtLeast, Products: e.Products, Top: e.Top}
	if e.Within != "" {
		if q.Within, err = time.ParseDuration(e.Within); err != nil || q.Within <= 0 {
			return q, fmt.Errorf("within is %q, it must be a time such as 150ms", e.Within)
		}
	}
	return q, q.validate()
}

func (q Query) validate() error {
	switch {
	case q.AtLeast < 0:
		return fmt.Errorf("atLeast is %d, it must not be negative", q.AtLeast)
	case q.Top < 0 || q.Top > maxTop:
		return fmt.Errorf("top is %d, it must be from 1 to %d", q.Top, maxTop)
	case slices.Contains(q.Products, ""):
		return errors.New("products has an empty id")
	case q.AtLeast == 0 && len(q.Products) == 0 && q.Within == 0:
		return errors.New("it expects nothing: set atLeast, products or within")
	}
	return nil
}

// Dir returns a Load of files that are named after their tenants, such as acme.golden.json. A tenant without a file has
// no queries.
func Dir(files fs.FS) Load {
	return func(tenant string) ([]Query, error) {
		name := tenant + ".golden.json"
		if strings.ContainsAny(tenant, `/\`) || !fs.ValidPath(name) {
			return nil, nil // no file can have this name
		}
		data, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, reindex.Public(fmt.Errorf("golden: %w", err), "the file of golden queries cannot be read")
		}
		queries, err := Parse(data)
		if err != nil {
			return nil, reindex.Public(err, err.Error())
		}
		return queries, nil
	}
}

// Check returns a check that runs the queries of the candidate's tenant, one after the other. Its error names every
// query that fails, with its result.
func Check(load Load, search Search) reindex.Check {
	return reindex.Check{Name: "golden queries", Func: func(ctx context.Context, c reindex.Candidate) error {
		queries, err := load(c.Tenant)
		if err != nil {
			return err
		}
		var failed []string
		for _, q := range queries {
			why, err := q.ask(ctx, c, search)
			if err != nil {
				text := fmt.Sprintf("query %q could not be run", q.Query)
				return reindex.Public(fmt.Errorf("golden: %s: %w", text, err), text)
			}
			if why != "" {
				failed = append(failed, fmt.Sprintf("query %q %s", q.Query, why))
			}
		}
		if len(failed) == 0 {
			return nil
		}
		text := strings.Join(failed, "; ")
		return reindex.Public(errors.New("golden: "+text), text)
	}}
}

// ask runs a query and returns the reason why it fails; empty if it succeeds.
func (q Query) ask(ctx context.Context, c reindex.Candidate, search Search) (why string, err error) {
	if err := q.validate(); err != nil {
		return "", err
	}
	top := q.Top
	if top == 0 {
		top = defaultTop
	}
	var found Found
	best := time.Duration(-1)
	for try := 0; try < tries && (try == 0 || q.Within > 0 && best > q.Within); try++ {
		start := time.Now()
		if found, err = search(ctx, c, q.Query, top); err != nil {
			return "", err
		}
		if took := time.Since(start); best < 0 || took < best {
			best = took
		}
	}
	first := found.IDs[:min(top, len(found.IDs))]
	for _, id := range q.Products {
		if !slices.Contains(first, id) {
			return fmt.Sprintf("does not have product %q among the first %d of %d", id, top, found.Total), nil
		}
	}
	switch {
	case found.Total < q.AtLeast:
		return fmt.Sprintf("finds %s, want at least %d", products(found.Total), q.AtLeast), nil
	case q.Within > 0 && best > q.Within:
		return fmt.Sprintf("takes %v, want at most %v", best.Round(time.Millisecond), q.Within), nil
	}
	return "", nil
}

// products returns a number of products in words.
func products(n int64) string {
	if n == 1 {
		return "1 product"
	}
	return fmt.Sprintf("%d products", n)
}
