package esindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"productindex/reindex"
)

const (
	// maxIDBytes is the length of the longest id that the server accepts.
	maxIDBytes = 512
	// maxNesting is the largest depth of a product. The server's parsers are recursive, and a deeply nested product can
	// crash a node.
	maxNesting = 100
)

// bulkQuery limits the answer to the parts that are read. With require_alias, the server does not create an index with
// default mappings if ours was deleted.
const bulkQuery = "/_bulk?require_alias=true&filter_path=errors,items.*.status," +
	"items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"

// Write implements [reindex.Writer]. It rejects products with an id of more than 512 bytes, and products nested more
// than 100 levels deep.
func (g *generation) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.kept != nil {
		return fmt.Errorf("esindex: cannot write to index %s: it is a kept generation, which accepts only edits", g.name)
	}
	sent, unfit := admit(batch)
	if g.survey.hasBegun() {
		g.survey.see(sent)
		return batchError(unfit, nil, nil)
	}
	err := g.writer(g.writeAlias()).write(ctx, sent, unfit)
	if errors.Is(err, reindex.ErrAgain) {
		g.survey.begin()
		g.survey.see(sent)
		return batchError(unfit, nil, nil)
	}
	return err
}

// Flush implements [reindex.Writer]. It has nothing to wait for, since the answer to a write has the result of each
// product. The error matches [reindex.ErrAgain] if the next generation must have fields in its mappings that this one
// lacks.
func (g *generation) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if g.survey.hasBegun() {
		return nil, g.conclude(ctx)
	}
	return nil, g.endLoad(ctx)
}

// writer writes products to one index.
type writer struct {
	ix         *Index
	tenant     string
	index      string
	alias      string   // an alias of the index: writes require an alias, see bulkQuery
	unsearched []string // fields that are stored but not searched
	live       bool     // fields learned from the products do not make the engine begin a new index
}

func (g *generation) writer(alias string) writer {
	return writer{ix: g.ix, tenant: g.names.tenant, index: g.name, alias: alias, unsearched: g.unsearched}
}

// write sends the admitted products and the deletions. Its error reports the products in unfit together with those that
// fail.
func (w writer) write(ctx context.Context, sent []reindex.Product, unfit []reindex.ItemError) error {
	if len(sent) == 0 {
		return batchError(unfit, nil, nil)
	}
	what := "writing to index " + w.index
	failed, header, err := w.send(ctx, sent)
	if err == nil {
		failed, err = w.sendMixed(ctx, sent, failed)
	}
	if w.refusedOnTheWay(sent, err) {
		return w.blame(ctx, what, err)
	}
	if err != nil {
		return classifyWrite(ctx, what, err)
	}
	if err := w.learnUnsearched(failed); err != nil && !w.live {
		return err
	}
	for _, item := range failed {
		if fatal := (*ServerError)(nil); errors.As(item.Err, &fatal) && hopeless(fatal) {
			return fmt.Errorf("esindex: %s: %w", what, fatal)
		}
	}
	return batchError(unfit, failed, header)
}

func batchError(unfit, failed []reindex.ItemError, header http.Header) error {
	if len(unfit)+len(failed) == 0 {
		return nil
	}
	return &reindex.BatchError{Items: append(unfit, failed...), RetryAfter: retryAfter(header)}
}

// admit splits a batch into the products that may be sent and those that must not: one id that is not valid fails the
// whole _bulk request, and a line feed in a body would begin a new action.
func admit(batch []reindex.Product) (fit []reindex.Product, unfit []reindex.ItemError) {
	for i, p := range batch {
		err := admissible(p)
		if err == nil {
			if unfit != nil {
				fit = append(fit, p)
			}
			continue
		}
		if unfit == nil {
			fit = slices.Clone(batch[:i])
		}
		unfit = append(unfit, reindex.ItemError{ID: p.ID, Err: err})
	}
	if unfit == nil {
		fit = batch
	}
	return fit, unfit
}

// admissible returns an error if the product must not be part of a _bulk request.
func admissible(p reindex.Product) error {
	switch {
	case p.ID == "":
		return errors.New("the id is empty")
	case len(p.ID) > maxIDBytes:
		return fmt.Errorf("the id has %d bytes; the server accepts at most %d", len(p.ID), maxIDBytes)
	case len(p.Body) == 0:
		return errors.New("the body is empty")
	case bytes.IndexByte(p.Body, '\n') >= 0:
		return errors.New("the body has more than one line")
	case deeperThan(p.Body, maxNesting):
		return fmt.Errorf("the body is nested more than %d levels deep, which can crash the server", maxNesting)
	}
	return nil
}

// send makes one _bulk request and returns the products that failed.
func (w writer) send(ctx context.Context, products []reindex.Product) ([]reindex.ItemError, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/"+w.alias+bulkQuery, nil)
	if err != nil {
		return nil, nil, err
	}
	body := newBulk(products)
	defer body.release()
	req.Body, req.GetBody, req.ContentLength = &bulkReader{bulk: body}, body.open, body.length
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Accept", "application/json")
	res, err := w.ix.transport.Perform(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	buf := answerPool.Get().(*bytes.Buffer) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	defer answerPool.Put(buf)
	buf.Reset()
	_, err = buf.ReadFrom(res.Body)
	if res.StatusCode != http.StatusOK {
		return nil, nil, serverError(res.StatusCode, res.Header, buf.Bytes())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	failed, err := failedItems(buf.Bytes(), products)
	return failed, res.Header, err
}

// itemResult is the result of one item of a _bulk request.
type itemResult struct {
	Status int   `json:"status"`
	Error  cause `json:"error"`
}

var answerPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var (
	allWell = []byte(`{"errors":false,`)
	noItems = []byte(`{"errors":false}`)
)

// failedItems returns the failures in the answer to a _bulk request for these products. The items are in the order of
// the request. An answer without errors is not decoded. The deletion of a missing product has status 404 and no error;
// it is not a failure.
func failedItems(text []byte, products []reindex.Product) ([]reindex.ItemError, error) {
	if bytes.HasPrefix(text, allWell) && bytes.HasSuffix(text, []byte("]}")) || bytes.Equal(text, noItems) {
		return nil, nil
	}
	var parsed struct {
		Errors *bool `json:"errors"`
		Items  []struct {
			Index  itemResult `json:"index"`
			Delete itemResult `json:"delete"`
		} `json:"items"`
	}
	if err := decodeAnswer(text, &parsed); err != nil {
		return nil, err
	}
	if parsed.Errors == nil || len(parsed.Items) != len(products) {
		err := fmt.Errorf("it has %d items, but %d were sent", len(parsed.Items), len(products))
		return nil, &unreadable{err: err, cut: true}
	}
	var failed []reindex.ItemError
	for i := range parsed.Items {
		item := parsed.Items[i].Index
		if deletes(products[i]) {
			item = parsed.Items[i].Delete
		}
		absent := deletes(products[i]) && item.Status == http.StatusNotFound && item.Error.Type == ""
		if absent || item.Status >= http.StatusOK && item.Status < http.StatusMultipleChoices {
			continue
		}
		err := &ServerError{Status: item.Status, Type: item.Error.Type, Reason: item.Error.reason()}
		failed = append(failed, reindex.ItemError{ID: products[i].ID, Retryable: err.temporary(), Err: err})
	}
	return failed, nil
}

// hopeless reports whether every other product would fail with the same error: the index is missing, closed or blocked,
// the disk is full, or the privilege to write is missing.
func hopeless(e *ServerError) bool {
	switch e.Type {
	case typeBlocked:
		return !e.temporary()
	case typeNotFound, "index_closed_exception", "security_exception":
		return true
	}
	return false
}

// classifyWrite is like classify, for a request with several products. Its error matches [reindex.ErrTooLarge] or
// [reindex.ErrRefused] if a smaller request may succeed.
func classifyWrite(ctx context.Context, what string, err error) error {
	sentinel := reindex.ErrRefused
	switch {
	case ctx.Err() != nil:
	case hasStatus(err, http.StatusRequestEntityTooLarge):
		sentinel = reindex.ErrTooLarge
		fallthrough
	case hasType(err, "action_request_validation_exception", "parse_exception", "x_content_parse_exception",
		"document_parsing_exception", "mapper_parsing_exception", "json_parse_exception", "illegal_argument_exception"):
		refused := fmt.Errorf("esindex: %s: %w: %w", what, sentinel, err)
		if errors.Is(sentinel, reindex.ErrTooLarge) {
			return reindex.Public(refused, "the product is "+reindex.ErrTooLarge.Error()+status(err))
		}
		return refused
	}
	return classify(ctx, what, err)
}

// status returns the HTTP status in err as a suffix for a message, or "" if there is none.
func status(err error) string {
	if answer, ok := errors.AsType[*ServerError](err); ok {
		return fmt.Sprintf(" (HTTP status %d)", answer.Status)
	}
	return ""
}

// deeperThan reports whether a valid JSON text has arrays and objects nested more than levels deep.
func deeperThan(text []byte, levels int) bool {
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= levels {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > levels {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
